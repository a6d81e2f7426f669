"""A running attempt as a page on the loopback interface, from its events and the pool."""
