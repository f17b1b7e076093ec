"""What is done to a document of the user's files, one after the other, and the account of it.

Repairs, language, quality, personal data, contamination. Each looks at the document alone, so documents can be prepared
anywhere and in any order; what needs the whole corpus (duplicates) comes later. The text of a document that is dropped
is kept for the account, its personal data replaced like everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trivium.base.config import Settings
from trivium.base.words import Document
from trivium.data.clean import CleanSettings, clean_text
from trivium.data.contamination import ContaminationSettings
from trivium.data.duplicates import DuplicateSettings
from trivium.data.language import LanguageSettings, identify
from trivium.data.private import PrivateSettings, redact
from trivium.data.private_rules import Found
from trivium.data.quality import QualitySettings, faults_of
from trivium.data.words import Words

if TYPE_CHECKING:
    from trivium.data.contamination import Index


class StepSettings(Settings):
    """What is done to the documents of sources of kind files."""

    clean: CleanSettings = CleanSettings()
    language: LanguageSettings = LanguageSettings()
    quality: QualitySettings = QualitySettings()
    private: PrivateSettings = PrivateSettings()
    contamination: ContaminationSettings = ContaminationSettings()
    duplicates: DuplicateSettings = DuplicateSettings()


@dataclass(frozen=True)
class Prepared:
    """A document after all steps, the account of them as JSON, why it is dropped (None: it is kept), and its words.

    `found` are the personal data, by their place in the text before they were replaced.
    """

    document: Document
    about: Mapping[str, Any]
    dropped: str | None
    found: tuple[Found, ...]
    words: Words


def prepare(document: Document, steps: StepSettings, index: Index | None) -> Prepared:
    """`document` after all steps. Raises MissingExtra where a step's library is missing."""
    about: dict[str, Any] = {"characters": len(document.text)}
    reasons: list[str] = []
    text, repairs = clean_text(document.text, steps.clean)
    if repairs:
        about["repairs"] = list(repairs)
    meta = dict(document.meta)
    if steps.language.identify or steps.language.keep:
        about["language"], about["language_score"] = label, score = identify(text)
        meta["language"] = label
        if steps.language.keep and (label not in steps.language.keep or score < steps.language.least_score):
            reasons.append(f"language: {label if score >= steps.language.least_score else 'unsure'}")
    redacted = redact(text, steps.private)
    if redacted.found:
        about["private"] = redacted.counts()
    words = Words(redacted.text)
    _judge(words, steps.quality, about, reasons)
    if index is not None and (items := index.find(words)):
        about["contaminated_by"] = items
        if steps.contamination.drop:
            reasons.append("contaminated: holds an evaluation item")
    prepared = replace(document, text=redacted.text, meta=meta)
    return Prepared(prepared, about, reasons[0] if reasons else None, redacted.found, words)


def _judge(words: Words, settings: QualitySettings, about: dict[str, Any], reasons: list[str]) -> None:
    """Write the presets' verdicts into `about`, and the reason where the one that drops is not passed."""
    asked = dict.fromkeys((*settings.report, *((settings.drop,) if settings.drop else ())))
    if not asked:
        return
    verdicts = {preset: faults for preset, faults in faults_of(words, asked).items() if faults}
    if verdicts:
        about["quality"] = verdicts
    if settings.drop and settings.drop in verdicts:
        reasons.append(f"quality ({settings.drop}): {verdicts[settings.drop][0]}")
