"""The words of the problems: people, things and the families of stories told about them.

A story is a running amount. A scene changes it by its shape: `=a` states it, `a×b` and `a+b` start
it with one operation, the others change it. `why` is the scene as the thinking restates it.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Scene(NamedTuple):
    """One sentence of a story; `{a}`, `{b}`, `{c}`, `{d}` are its numbers."""

    shape: str
    text: str
    why: str


@dataclass(frozen=True)
class Family:
    """A kind of problem: how it may start, go on, and what may be asked at the end."""

    kind: str
    things: tuple[str, ...]
    starts: tuple[Scene, ...]
    events: tuple[Scene, ...]
    asks: tuple[str, ...]


PEOPLE = (
    ("Maya", "She"),
    ("Ben", "He"),
    ("Lena", "She"),
    ("Omar", "He"),
    ("Ruth", "She"),
    ("Ivan", "He"),
    ("Nora", "She"),
    ("Hugo", "He"),
    ("Tess", "She"),
    ("Amir", "He"),
    ("Clara", "She"),
    ("Felix", "He"),
    ("Zoe", "She"),
    ("Victor", "He"),
    ("Rosa", "She"),
    ("Jonas", "He"),
)

RISKY = ("knives", "firecrackers", "arrows", "lighters")
"""Harmless in a sum, but the kind of word at which a safety-trained model refuses."""

ASIDES = (
    "It is {n} degrees outside.",
    "{friend} is {n} years old.",
    "The clock on the wall is {n} minutes slow.",
    "The house number is {n}.",
    "This happens on day {n} of the year.",
    "{friend} watches for {n} minutes.",
    "The radio plays {n} songs meanwhile.",
    "The nearest town is {n} km away.",
)

FAMILIES = (
    Family(
        "shopping",
        ("dollars", "coins", "euros"),
        (
            Scene("=a", "{name} has {a} {things} to spend.", "{name} has {a} {things}"),
            Scene(
                "a×b", "{name} gets {a} vouchers of {b} {things} each.", "{a} vouchers of {b} each"
            ),
            Scene(
                "a+b",
                "{name} has {a} {things} in a purse and {b} in a drawer.",
                "{a} in the purse and {b} in the drawer",
            ),
        ),
        (
            Scene("-c", "{He} buys a lamp for {c} {things}.", "the lamp costs {c}"),
            Scene("-c", "{He} pays {c} {things} for a coat.", "the coat costs {c}"),
            Scene("-c×d", "{He} buys {c} books at {d} {things} each.", "{c} books at {d} each"),
            Scene("-c×d", "{He} buys {c} plates at {d} {things} each.", "{c} plates at {d} each"),
            Scene("+c", "{friend} gives {him} {c} {things}.", "{friend} gives {c}"),
            Scene("+c×d", "{He} sells {c} toys at {d} {things} each.", "{c} toys sold at {d} each"),
        ),
        (
            "How many {things} does {name} have left?",
            "How many {things} are left in the end?",
        ),
    ),
    Family(
        "sharing",
        ("apples", "sweets", "cards", "marbles", "stickers", "nuts", "shells"),
        (
            Scene("=a", "{name} has {a} {things}.", "{name} has {a} {things}"),
            Scene("a×b", "{name} opens {a} boxes of {b} {things}.", "{a} boxes of {b}"),
            Scene(
                "a+b",
                "{name} brings {a} {things} and {friend} brings {b}.",
                "{a} from {name} and {b} from {friend}",
            ),
        ),
        (
            Scene("-c", "{c} of them are lost.", "{c} are lost"),
            Scene("-c", "{He} keeps {c} aside for later.", "{c} are kept aside"),
            Scene("+c", "A neighbour adds {c} {things}.", "the neighbour adds {c}"),
            Scene("+c×d", "{c} guests bring {d} {things} each.", "{c} guests bring {d} each"),
            Scene("-c×d", "{c} children take {d} {things} each.", "{c} children take {d} each"),
            Scene(
                "÷c",
                "They are shared equally among {c} friends, and only one share is looked at.",
                "one share of {c}",
            ),
        ),
        ("How many {things} are there now?", "What is the number of {things} in the end?"),
    ),
    Family(
        "travel",
        ("km", "miles"),
        (
            Scene(
                "a×b",
                "A bus drives {a} hours at {b} {things} an hour.",
                "{a} hours at {b}",
            ),
            Scene("=a", "A road is {a} {things} long.", "the road is {a} {things}"),
            Scene(
                "a+b",
                "{name} cycles {a} {things} on Monday and {b} on Tuesday.",
                "{a} on Monday and {b} on Tuesday",
            ),
        ),
        (
            Scene("+c", "A detour adds {c} {things}.", "the detour adds {c}"),
            Scene("+c×d", "Then come {c} hours at {d} {things} an hour.", "{c} hours at {d}"),
            Scene("-c", "A new tunnel saves {c} {things}.", "the tunnel saves {c}"),
            Scene("-c×d", "{c} short cuts save {d} {things} each.", "{c} short cuts save {d} each"),
            Scene("×c", "The whole way is travelled {c} times.", "the way is travelled {c} times"),
            Scene("÷c", "It is split into {c} equal stages, one a day.", "one of {c} stages"),
        ),
        (
            "How many {things} is that now?",
            "What is the distance in {things} at the end?",
        ),
    ),
    Family(
        "ages",
        ("years",),
        (
            Scene("=a", "{name} is {a} {things} old.", "{name} is {a}"),
            Scene(
                "a+b",
                "A tree was {a} {things} old when {name} was born, {b} {things} ago.",
                "{a} then and {b} since",
            ),
            Scene("a×b", "A house is {a} times {b} {things} old.", "{a} times {b}"),
        ),
        (
            Scene("×c", "A bridge is {c} times as old.", "the bridge is {c} times as old"),
            Scene("+c", "A church is {c} {things} older than that.", "the church is {c} older"),
            Scene("-c", "A mill is {c} {things} younger than that.", "the mill is {c} younger"),
            Scene("÷c", "A school is {c} times younger than that.", "the school is {c} times less"),
            Scene("+c", "Now {c} {things} pass by.", "{c} {things} pass"),
        ),
        ("What age in {things} do we end with?", "How many {things} is the last age?"),
    ),
    Family(
        "queue",
        ("people", "guests", "visitors"),
        (
            Scene("=a", "There are {a} {things} in a queue.", "the queue has {a}"),
            Scene("a×b", "{a} buses bring {b} {things} each to a museum.", "{a} buses of {b}"),
            Scene(
                "a+b",
                "At one door wait {a} {things}, at the other {b}.",
                "{a} at one door and {b} at the other",
            ),
        ),
        (
            Scene("-c", "{c} {things} give up and go home.", "{c} go home"),
            Scene("+c", "Then {c} more {things} arrive.", "{c} more arrive"),
            Scene(
                "-c×d",
                "For {c} minutes, {d} {things} are let in every minute.",
                "{c} minutes with {d} let in",
            ),
            Scene("+c×d", "{c} vans bring {d} {things} each.", "{c} vans of {d}"),
            Scene(
                "÷c",
                "They form {c} equal lines, and {name} stands in one of them.",
                "one of {c} lines",
            ),
        ),
        ("How many {things} wait there now?", "How many {things} are left waiting?"),
    ),
    Family(
        "harvest",
        ("pears", "plums", "melons", "lemons", "figs", "pumpkins"),
        (
            Scene("a×b", "A farm has {a} trees with {b} {things} each.", "{a} trees with {b}"),
            Scene("=a", "{name} picks {a} {things}.", "{name} picks {a} {things}"),
            Scene(
                "a+b",
                "One field gives {a} {things} and another gives {b}.",
                "{a} from one field and {b} from the other",
            ),
        ),
        (
            Scene("-c", "{c} of the {things} are rotten.", "{c} are rotten"),
            Scene(
                "-c×d", "Birds take {d} {things} on each of {c} days.", "{c} days with {d} taken"
            ),
            Scene("+c×d", "{c} workers pick {d} more {things} each.", "{c} workers pick {d} each"),
            Scene("+c", "{friend} adds {c} {things} from a garden.", "{friend} adds {c}"),
            Scene("÷c", "The rest fills {c} equal crates; take one crate.", "one of {c} crates"),
            Scene("×c", "The next harvest is {c} times as big.", "{c} times as big"),
        ),
        ("How many {things} is that?", "How many {things} do we count at the end?"),
    ),
    Family(
        "savings",
        ("dollars", "coins", "pounds"),
        (
            Scene("a×b", "{name} saves {b} {things} in each of {a} weeks.", "{a} weeks of {b}"),
            Scene("=a", "{name} has saved {a} {things}.", "{name} has {a} {things}"),
            Scene(
                "a+b",
                "{name} saved {a} {things} in spring and {b} in summer.",
                "{a} in spring and {b} in summer",
            ),
        ),
        (
            Scene(
                "+c×d", "Then {he} saves {d} {things} in each of {c} months.", "{c} months of {d}"
            ),
            Scene("-c", "A repair costs {c} {things}.", "the repair costs {c}"),
            Scene("+c", "The bank adds {c} {things}.", "the bank adds {c}"),
            Scene("×c", "A prize makes it {c} times as much.", "{c} times as much"),
            Scene("-c×d", "{He} pays {c} bills of {d} {things}.", "{c} bills of {d}"),
            Scene("÷c", "{He} divides it equally over {c} jars and opens one.", "one of {c} jars"),
        ),
        ("How many {things} is that?", "How many {things} does {name} see now?"),
    ),
    Family(
        "reading",
        ("pages",),
        (
            Scene("a×b", "A book has {a} chapters of {b} {things}.", "{a} chapters of {b}"),
            Scene("=a", "A book has {a} {things}.", "the book has {a}"),
            Scene(
                "a+b",
                "{name} borrows a book of {a} {things} and one of {b}.",
                "books of {a} and {b}",
            ),
        ),
        (
            Scene(
                "-c×d", "{name} reads {d} {things} on each of {c} days.", "{c} days with {d} read"
            ),
            Scene("-c", "{name} skips {c} {things}.", "{c} are skipped"),
            Scene("+c", "Notes at the end add {c} {things}.", "the notes add {c}"),
            Scene("+c×d", "{c} leaflets add {d} {things} each.", "{c} leaflets of {d}"),
            Scene("÷c", "The rest is spread evenly over {c} evenings; take one.", "one of {c}"),
        ),
        ("How many {things} is that?", "How many {things} remain?"),
    ),
    Family(
        "bakery",
        ("cakes", "rolls", "buns", "cookies", "pies"),
        (
            Scene("a×b", "A baker fills {a} trays with {b} {things} each.", "{a} trays of {b}"),
            Scene("=a", "A bakery has {a} {things} at dawn.", "the bakery has {a}"),
            Scene(
                "a+b",
                "Two ovens bake {a} and {b} {things}.",
                "{a} from one oven and {b} from the other",
            ),
        ),
        (
            Scene("-c", "{c} of the {things} burn.", "{c} burn"),
            Scene("-c×d", "{c} customers buy {d} {things} each.", "{c} customers buy {d} each"),
            Scene(
                "+c×d", "Then {c} trays of {d} {things} are added.", "{c} trays of {d} are added"
            ),
            Scene("÷c", "{c} shops get equal parts; look at one shop.", "one of {c} shops"),
            Scene("+c", "A second bakery sends {c} {things}.", "the second bakery sends {c}"),
        ),
        ("How many {things} are there then?", "How many {things} is that in the end?"),
    ),
    Family(
        "storage",
        ("bottles", "bricks", "books", "ropes", "cups", "tools"),
        (
            Scene("a×b", "{name} stacks {a} shelves with {b} {things} each.", "{a} shelves of {b}"),
            Scene("=a", "A store room holds {a} {things}.", "the room holds {a}"),
            Scene(
                "a+b",
                "One truck brings {a} {things}, the next one {b}.",
                "trucks with {a} and {b}",
            ),
        ),
        (
            Scene("-c", "{friend} takes away {c} {things}.", "{friend} takes {c}"),
            Scene("+c", "{name} finds {c} more {things}.", "{c} more are found"),
            Scene("×c", "By winter there are {c} times as many.", "{c} times as many"),
            Scene("-c×d", "{c} orders of {d} {things} are sent out.", "{c} orders of {d} go out"),
            Scene("+c×d", "{c} crates of {d} {things} come in.", "{c} crates of {d} come in"),
            Scene("÷c", "They are spread evenly over {c} rooms; count one.", "one of {c} rooms"),
        ),
        ("How many {things} are counted?", "How many {things} is that now?"),
    ),
)
