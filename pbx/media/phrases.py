"""What the built-in prompts say, by language, and which of them say a number, digits or a time.

A language is a table of texts by the name of their sound; `NUMBERS` have their own, because every number to a
hundred is one sound.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from pbx.errors import OperatorError

# Numbers that are one sound, `number.0` to `number.100`.
NUMBERS: Final = range(101)
MAX_NUMBER: Final = 999_999

_DIGITS: Final = {str(digit): f"digit.{digit}" for digit in range(10)} | {
    "*": "digit.star",
    "#": "digit.hash",
    "+": "digit.plus",
}

_ENGLISH: Final = {
    "welcome": "Welcome.",
    "goodbye": "Thank you for calling. Goodbye.",
    "please-hold": "Please hold the line.",
    "one-moment": "One moment, please.",
    "closed": "We are closed at the moment. Please call again during office hours.",
    "holiday": "We are closed today because of a holiday.",
    "invalid": "That is not a valid choice.",
    "timeout": "We have not heard your choice.",
    "try-again": "Please try again.",
    "transferring": "We are putting you through.",
    "busy": "The line is busy.",
    "no-answer": "Nobody answers at the moment.",
    "unavailable": "Nobody is available at the moment. Please call again later.",
    "not-found": "This number is not in use.",
    "all-busy": "All our lines are busy. Please call again later.",
    "error": "Something went wrong. Please call again later.",
    "recorded": "This call is recorded.",
    "enter-number": "Please enter the number, followed by the hash key.",
    "enter-pin": "Please enter your pin code, followed by the hash key.",
    "conference.alone": "You are the first in this conference.",
    "conference.full": "This conference is full.",
    "conference.joined": "You are now in the conference.",
    "conference.muted": "You are muted.",
    "conference.unmuted": "You can be heard again.",
    "voicemail.leave": "Please leave a message after the tone.",
    "voicemail.full": "This mailbox is full.",
    "voicemail.saved": "Your message was saved.",
    "queue.welcome": "All our agents are busy. You will be helped as soon as possible.",
    "queue.position": "Your place in line is:",
    "queue.next": "You are next in line.",
    "queue.wait": "The expected waiting time is:",
    "queue.soon": "You will be helped within a minute.",
    "queue.long": "The expected waiting time is more than an hour.",
    "queue.thanks": "Thank you for your patience.",
    "queue.closed": "There is nobody to help you at the moment.",
    "queue.full": "The line is full. Please call again later.",
    "number.hundred": "hundred",
    "number.thousand": "thousand",
    "number.minus": "minus",
    "time.minutes": "minutes",
    "digit.star": "star",
    "digit.hash": "hash",
    "digit.plus": "plus",
}

# espeak-ng's voice of a language, and the language's texts.
LANGUAGES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "en": (
        "en-gb",
        _ENGLISH
        | {f"number.{number}": str(number) for number in NUMBERS}
        | {f"digit.{digit}": str(digit) for digit in range(10)},
    )
}


def voice_of(language: str) -> str:
    """Which voice speaks a language."""
    return _of(language)[0]


def texts_of(language: str) -> Mapping[str, str]:
    """What is said in a language, by the name of the sound. Raises OperatorError."""
    return _of(language)[1]


def say_number(number: int, language: str = "en") -> list[str]:
    """The sounds that say a whole number of up to six digits; a longer one is said digit by digit."""
    _of(language)
    if number < 0:
        return ["number.minus", *say_number(-number, language)]
    if number > MAX_NUMBER:
        return say_digits(str(number), language)
    thousands, rest = divmod(number, 1000)
    said = [*say_number(thousands, language), "number.thousand"] if thousands else []
    hundreds, tens = divmod(rest, 100)
    if rest == 100 and not thousands:
        return ["number.100"]
    if hundreds:
        said += [f"number.{hundreds}", "number.hundred"]
    if tens or not said:
        said.append(f"number.{tens}")
    return said


def say_digits(digits: str, language: str = "en") -> list[str]:
    """The sounds that say a number as dialled, one by one; what is no digit, `*`, `#` or `+` is left out."""
    _of(language)
    return [_DIGITS[digit] for digit in digits if digit in _DIGITS]


def say_position(position: int, language: str = "en") -> list[str]:
    """The sounds that tell a waiting caller the place in line, from 1."""
    return ["queue.next"] if position <= 1 else ["queue.position", *say_number(position, language)]


def say_wait(wait_s: float, language: str = "en") -> list[str]:
    """The sounds that tell a caller how long it may take, in whole minutes, rounded up."""
    minutes = ceil(wait_s / 60)
    if minutes <= 1:
        return ["queue.soon"]
    if minutes > 60:
        return ["queue.long"]
    return ["queue.wait", *say_number(minutes, language), "time.minutes"]


def _of(language: str) -> tuple[str, Mapping[str, str]]:
    found = LANGUAGES.get(language)
    if found is None:
        known = ", ".join(LANGUAGES)
        raise OperatorError(f"there are no prompts in language {language!r}", f"known are {known}")
    return found
