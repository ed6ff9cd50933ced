"""Phrases of a free text that name a birth or an age: they go as a whole, number and all. Pure functions on text.

What is left of ``born 10.04.1931`` when only the date goes is no secret any more where the year stands nearby, and ``95 year
old`` without its words is still ninety-five: so the phrase is the unit. The words are those of the languages that scanners
are run in; ages up to 89 without a word like "old" stay, as the usual rule has it (45 CFR 164.514(b)(2)(i)(C)).
"""

from __future__ import annotations

import re

GONE = " \ufffc "
"""Stands where something went: no word, so that what was around it is not joined."""

_MONTH = (
    r"(?:jan(?:uary|uar|vier|eiro)?|j[aä]n(?:ner)?|feb(?:ruary|ruar)?|f[eé]v(?:rier)?|mar(?:ch|s|zo)?|m[aä]r(?:z)?|maerz"
    r"|apr(?:il)?|avr(?:il)?|may|mai|maj|june?i?|juin|july?i?|juil(?:let)?|aug(?:ust)?|ao[uû]t|sep(?:t(?:ember|embre)?)?"
    r"|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?|de[cz](?:ember)?|d[eé]c(?:embre)?)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th|er|\.)?"
_MONTH_DATE = (
    rf"(?:{_DAY}[ ._\-]*(?:of |de )?{_MONTH}\.?[ ,._\-]*(?:\d{{4}}|'?\d{{2}})?"
    rf"|{_MONTH}\.?[ ._\-]*{_DAY}(?:[ ,._\-]+(?:\d{{4}}|'?\d{{2}}))?|{_MONTH}\.?[ ,._\-]+(?:19|20)\d{{2}})"
)
MONTH_DATE = re.compile(rf"(?<![^\W_]){_MONTH_DATE}(?![^\W_])", re.IGNORECASE)
_NUMERIC_DATE = r"\d{1,4}(?:[ ./_\-]{1,2}\d{1,4}){1,2}|\d{8}|\d{6}|\d{4}|\d{2}"
_BORN = (
    r"(?:birth[ _\-]?(?:date|day|year)?|date[ _]of[ _]birth|year[ _]of[ _]birth|born|d\.?[ ]?o\.?[ ]?b|y\.?o\.?b|bday"
    r"|geburts(?:datum|tag|jahr)|geboren|geb|geb\.?[ ]?(?:dat|am)|gebdat|jahrgang|jg"
    r"|n[eé]e?(?:\(e\))?|date[ _]de[ _]naissance|naissance|ddn|nat[oa]|data[ _]di[ _]nascita|nascita"
    r"|nacid[oa]|nacimiento|f(?:echa)?[. ]*nac|nascid[oa]|nascimento|geboortedatum|f[oö]dd?|f[oø]dt|f[oø]dselsdato|syntynyt"
    r"|ur(?:odz(?:on[aey])?)?|data[ _]urodzenia|narozen[aý]?|rozen|sz[uü]l(?:etett)?|rod(?:jen|en)[a]?)"
)
_FILLER = r"(?:[\s:=.,;()\[\]\-\u2013_/]|on\b|in\b|the\b|am\b|im\b|le\b|en\b|el\b|il\b|den\b|dnia\b|date\b|datum\b)*"
_BIRTH = re.compile(
    rf"(?<![^\W_]){_BORN}(?![^\W\d_]){_FILLER}(?:(?:{_MONTH_DATE}|{_NUMERIC_DATE})(?!\d))?"
    rf"|[*†]\s*(?:\d{{1,2}}[./\-]\d{{1,2}}[./\-]\d{{2,4}}|\d{{4}}[./\-]\d{{2}}[./\-]\d{{2}}|\d{{8}}|(?:19|20)\d\d)"
    r"(?![^\W_])"
    rf"|[*†]\s*{_MONTH_DATE}",
    re.IGNORECASE,
)
_OLD_AGE = r"(?:(?:9\d|1[0-4]\d)(?:[.,]\d+)?|1\d{2})"
_YEARS = (
    r"(?:years?|yrs?|yr|y\.?/?o\.?|jahren?|j[aä]hr\w*|jaehr\w*|ans?|anni|a[nñ]os?|anos|lat|letni\w*|let|[aå]r(?:ig\w*)?"
    r"|jaar|jarige?|vuotta|vuotias|[eé]ves|godina|godin[ae]|rok[uóy]*|sene|ya[sş]|y|(?<=\d)[ja])"
)
_OLD = (
    r"(?:[ \-]*(?:old|of[ ]age|alt|[aâ]g[eé]e?s?|oud|gammal|gammel|de[ ]edad|di[ ]et[aà]|de[ ]idade)"
    r"|(?<=y/o)|(?<=yo)|(?<=y\.o\.)|(?<=y\.o)|(?<=hrig)|(?<=hrige)|(?<=hriger)|(?<=hrigen)|(?<=hriges)|(?<=hrigem))"
)
_AGE = re.compile(
    rf"(?<![^\W_]){_OLD_AGE}[ \-]*{_YEARS}(?![^\W_])(?:{_OLD}(?![^\W_]))?"
    rf"|(?<![^\W_])\d{{1,3}}(?:[.,]\d+)?[ \-]*{_YEARS}{_OLD}(?![^\W_])"
    r"|(?<![^\W_])(?:1[01]\d{2}|1[2-9]\d{2})[ \-]*(?:months?|monate?|mois|mesi|meses|mo)(?![^\W_])"
    rf"(?:{_OLD}(?![^\W_]))?"
    r"|(?<![^\W_])(?:age[d]?|alter|[aâ]ge|edad|et[aà]|idade|wiek|leeftijd|[aå]lder|alder)[\s:=.\-_]*\d{1,3}"
    rf"(?:[ \-]*{_YEARS}(?![^\W_]))?(?!\d)"
    rf"|(?<![^\W_])(?:[mfw][ \-/]?{_OLD_AGE}|{_OLD_AGE}[ \-/]?[mfw])(?![^\W_])"
    rf"|(?<![^\W_])0?{_OLD_AGE}y(?![^\W_])",
    re.IGNORECASE,
)


def without(text: str) -> str:
    """`text` without phrases of birth and age, and without dates that name their month."""
    for pattern in (_BIRTH, _AGE, MONTH_DATE):
        text = pattern.sub(GONE, text)
    return text
