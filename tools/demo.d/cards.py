"""Test cards, made at run time: no number stands in the repository."""
import random


def check_digit(number):
    total = 0
    for i, c in enumerate(reversed(number)):
        digit = int(c)
        if i % 2 == 0:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return str(-total % 10)


def card(rng: random.Random, prefix="4", length=16):
    """(number, MMYY, code): digits that no memory holds by chance. The seventh digit is not the first of the last four:
    BIN and last four, which may be kept, would else read as seven digits of the number where they stand side by side."""
    while True:
        body = prefix + "".join(rng.choice("0123456789") for _ in range(length - 1 - len(prefix)))
        number = body + check_digit(body)
        if number[6] != number[-4] and all(number[i:i + 7].count("0") < 4 for i in range(length - 6)):
            break
    return number, f"{rng.randint(1, 12):02d}{rng.randint(32, 39)}", "".join(rng.choice("123456789") for _ in range(3))


def ending(prefix, rng):
    """A card with a prescribed beginning, such as the sandbox PSP's magic ones."""
    number = prefix + check_digit(prefix)
    return number, f"{rng.randint(1, 12):02d}{rng.randint(32, 39)}", "".join(rng.choice("123456789") for _ in range(3))


def canary(rng: random.Random):
    """24 digits: no card has so many."""
    return "".join(rng.choice("123456789") for _ in range(24))
