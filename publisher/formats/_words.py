"""The few words of our own that stand in feeds, in the language of the feed."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    retracted: str  # before the title of an article that was retracted
    was_retracted: str  # in place of its text, when no note says more
    correction: str  # before a correction's note
    untitled: str


_ENGLISH = Words("Retracted", "This article has been retracted.", "Correction", "Untitled")
_WORDS = {
    "en": _ENGLISH,
    "cs": Words("Staženo", "Tento článek byl stažen.", "Oprava", "Bez názvu"),
    "da": Words("Trukket tilbage", "Denne artikel er trukket tilbage.", "Rettelse", "Uden titel"),
    "de": Words("Zurückgezogen", "Dieser Artikel wurde zurückgezogen.", "Korrektur", "Ohne Titel"),
    "es": Words("Retirado", "Este artículo ha sido retirado.", "Corrección", "Sin título"),
    "fi": Words("Poistettu", "Tämä artikkeli on vedetty pois.", "Oikaisu", "Nimetön"),
    "fr": Words("Retiré", "Cet article a été retiré.", "Correction", "Sans titre"),
    "ga": Words("Tarraingthe siar", "Tarraingíodh an t-alt seo siar.", "Ceartú", "Gan teideal"),
    "it": Words("Ritirato", "Questo articolo è stato ritirato.", "Correzione", "Senza titolo"),
    "nb": Words("Trukket tilbake", "Denne artikkelen er trukket tilbake.", "Rettelse", "Uten tittel"),
    "nl": Words("Ingetrokken", "Dit artikel is ingetrokken.", "Correctie", "Zonder titel"),
    "pl": Words("Wycofano", "Ten artykuł został wycofany.", "Sprostowanie", "Bez tytułu"),
    "pt": Words("Retirado", "Este artigo foi retirado.", "Correção", "Sem título"),
    "sv": Words("Tillbakadragen", "Den här artikeln har dragits tillbaka.", "Rättelse", "Utan titel"),
}


def words(language: str) -> Words:
    """By language tag; English where we have no others."""
    return _WORDS.get(language.partition("-")[0].lower(), _ENGLISH)
