"""What the shop sells, and the test cards that it takes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    sku: str
    name: str
    price: int  # whole euros


CATALOGUE = {
    product.sku: product
    for product in (
        Product("strings", "Set of gut strings", 140),
        Product("metronome", "Walnut metronome", 260),
        Product("ukulele", "Koa ukulele", 890),
        Product("guitar", "Concert guitar", 4_800),
        Product("oboe", "Grenadilla oboe", 9_600),
        Product("cello", "Cello, Cremona model", 25_000),
        Product("harp", "Double-action harp", 38_500),
        Product("marimba", "Five-octave marimba", 16_667),
        Product("upright", "Upright piano", 21_900),
        Product("grand", "Concert grand piano", 148_000),
        Product("organ", "Chamber organ", 96_000),
    )
}

CARD_OK, CARD_DECLINED, CARD_TIMEOUT = "tok_visa", "tok_declined", "tok_timeout"
CARDS = {
    CARD_OK: "Visa ending in 4242",
    CARD_DECLINED: "Test card: is declined",
    CARD_TIMEOUT: "Test card: its first answer never comes",
}

_CUSTOMERS = (
    "Amara Diallo", "Björn Lindqvist", "Chiara Conti", "Dmitri Volkov", "Esther Okafor",
    "Farid Haddad", "Greta Sommer", "Hana Sato", "Iris van Dijk", "João Ferreira",
    "Kasia Nowak", "Leila Karimi", "Mateo Ruiz", "Nia Evans", "Oskar Virtanen", "Priya Nair",
)  # fmt: skip
_FIXED = (("cello", 2), ("marimba", 3))  # 50,000 needs no approval, 50,001 does


@dataclass(frozen=True)
class Basket:
    """What a customer asks for: the shop gives it a number and a total."""

    customer: str
    email: str
    sku: str
    quantity: int
    card: str

    @property
    def total(self) -> int:
        return CATALOGUE[self.sku].price * self.quantity


def seeded_baskets(count: int = 240) -> Iterator[Basket]:
    """The same ``count`` baskets every time, from 140 to several hundred thousand euros."""
    dice = random.Random(8)
    cards = [CARD_OK] * 37 + [CARD_DECLINED] * 2 + [CARD_TIMEOUT]
    for number in range(count):
        customer = dice.choice(_CUSTOMERS)
        sku, quantity = dice.choice(list(CATALOGUE)), dice.choice((1, 1, 1, 2, 3))
        card = dice.choice(cards)
        if number < len(_FIXED):
            (sku, quantity), card = _FIXED[number], CARD_OK
        yield Basket(customer, _address(customer), sku, quantity, card)


def _address(customer: str) -> str:
    first, *_ = customer.casefold().replace("ö", "o").replace("ã", "a").split()
    return f"{first}@example.org"
