"""Words of questions: tokens, lemmas, synonyms, and those that carry no meaning of their own."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<quoted>"[^"]*"|“[^”]*”|(?<![A-Za-z0-9])'[^']*'(?![A-Za-z0-9])|`[^`]*`)"""
    r"""|(?P<number>[$€£]?-?(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?|[$€£]?(?<!\w)-?\d+(?:\.\d+)?(?:[kKmM]\b)?%?(?![\w-]*[A-Za-z]))"""
    r"""|(?P<word>[^\W_][\w'’.\-/]*[^\W_]|[^\W_])|(?P<sign>>=|<=|!=|<>|[<>=,;:?!()]|--|\*)"""
)
_IRREGULAR = {
    "people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman", "indices": "index",
    "statuses": "status", "addresses": "address", "data": "data", "staff": "staff", "bonuses": "bonus",
    "warehouses": "warehouse", "purchases": "purchase", "expenses": "expense", "leaves": "leave", "was": "be",
    "caches": "cache", "courses": "course", "houses": "house", "has": "have", "had": "have", "is": "be", "are": "be",
    "were": "be", "news": "news", "series": "series", "movies": "movie", "invoices": "invoice", "services": "service",
    "diagnoses": "diagnosis", "analyses": "analysis", "buses": "bus", "gas": "gas", "bought": "buy", "sold": "sell",
    "paid": "pay", "sent": "send", "spent": "spend", "made": "make", "done": "do", "written": "write",
    "wrote": "write", "taken": "take", "lost": "lose", "gone": "go", "left": "leave", "held": "hold", "does": "do", "goes": "go",
}  # fmt: skip

STOP = frozenset(
    """
    a an the of in on at to for from by is are was were be been being do does did have has had there their its it me us
    i we you my our please can could would will shall show give list display tell find get fetch return return see
    what which who whom whose that this these those and all any some every with how when where as than into still anything
    work works working come comes live lives living used use uses got gets handled
    handle assigned caused written submitted held offered offer located based collected seen prescribed treated issued given processed performed received ever
    generated attended visited made make makes making came
    so currently now exist exists existing recorded registered made placed available present overall entire
    whole system database table tables row rows record records entry entries us want need know like'd i'd let's
    along together also just only about across within among together values value data respective
    corresponding belonging belong belongs related associated using use via be, am our we've they them he she his her
    occurred occur happened happen took take taken place kind kinds type's looking look
    """.split()
)  # fmt: skip

# One concept a line. A word of the question stands for a name of the schema when they share a line and the word
# itself names nothing there.
_SYNONYMS = """
customer client buyer shopper purchaser consumer patron
user member account
employee staff worker colleague person headcount
order purchase
product item article good merchandise sku
payment transaction charge
ticket case issue request incident
reservation booking
guest visitor
agent representative rep assignee
price cost
salary pay wage compensation earning earnings
amount value sum money
revenue sales turnover income spend spending
department division unit
category type kind
shipment delivery consignment parcel package
carrier courier
driver chauffeur
vehicle truck van lorry
warehouse depot hub
supplier vendor
city town
country nation
employer company firm organization organisation
manager boss supervisor
title position role job
hire join recruit employ start
create place make register open raise submit file add receive sign-up
status state
weight mass
quantity qty unit
name title
email mail e-mail
phone telephone
birth born
priority urgency severity
resolve solve close fix
rating score
duration length time
distance mileage km
stock inventory
store shop branch outlet
student pupil
teacher instructor professor
course class
patient
doctor physician
invoice bill
description text detail
region area territory
segment tier group
method mode
review feedback
subject topic title
comment message note
capacity size
plan subscription
budget funding
project initiative
arrive deliver
ship dispatch send
depart leave
begin start
end finish complete
destination target
origin source
""".strip()  # fmt: skip

SYNONYMS: dict[str, frozenset[str]] = {}
for _line in _SYNONYMS.splitlines():
    _group = frozenset(_line.split())
    for _word in _group:
        SYNONYMS[_word] = SYNONYMS.get(_word, frozenset()) | _group - {_word}


@dataclass(frozen=True)
class Token:
    """A word, number, quoted text or sign of the question. `text` keeps the asker's own spelling."""

    text: str
    lemma: str
    sort: str

    @property
    def capital(self) -> bool:
        return self.text[:1].isupper()


def tokens(text: str) -> list[Token]:
    """The question in tokens; sorts are word, number, quoted, sign."""
    found = []
    for match in _TOKEN.finditer(text):
        sort = match.lastgroup or "sign"
        raw = match.group()
        if sort == "quoted":
            found.append(Token(raw[1:-1], raw[1:-1].lower(), sort))
        elif sort == "word":
            found.extend(_words(raw))
        else:
            found.append(Token(raw, raw.lower(), sort))
    return found


def _words(raw: str) -> list[Token]:
    plain = raw.replace("’", "'")
    plain = re.sub(r"'s$|s'$", lambda m: "s" if m.group() == "s'" else "", plain)
    if re.fullmatch(r"[A-Za-z]+(?:[-/][A-Za-z]+)+", plain) and "e-mail" not in plain.lower():
        return [Token(part, lemma(part), "word") for part in re.split(r"[-/]", plain)]
    return [Token(plain, lemma(plain), "word")]


def lemma(word: str) -> str:
    """The singular, lower-case form of a word; verbs keep their form."""
    low = word.lower()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if len(low) <= 3 or low.endswith(("ss", "us", "is")) or not low.endswith("s"):
        return low
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    if low.endswith(("sses", "shes", "ches", "xes", "zes")):
        return low[:-2]
    return low[:-1]


def stem(word: str) -> str:
    """A rough root, for verbs against names: shipped, shipping and shipment's column `shipped_at` meet."""
    root = lemma(word)
    if root.endswith("ption") and len(root) > 8:
        return root[:-5] + "b"  # prescription and prescribed, subscription and subscribed
    for ending, shortest in (
        ("ing", 4),
        ("ed", 3),
        ("ation", 4),
        ("ion", 4),
        ("al", 5),
        ("ment", 4),
        ("ance", 4),
        ("e", 3),
    ):
        if root.endswith(ending) and len(root) - len(ending) >= shortest:
            root = root[: -len(ending)]
            break
    if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "ls":
        root = root[:-1]
    return root.removesuffix("e") if len(root) > 3 else root


def name_parts(name: str) -> tuple[str, ...]:
    """A name of the schema in lemmas: `orderItems_v`, `order_items` → order, item."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return tuple(lemma(part) for part in re.split(r"[^A-Za-z0-9]+", spaced) if part)
