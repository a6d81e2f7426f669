"""Programs of models, run where they can neither reach nor see anything."""
