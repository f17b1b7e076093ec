"""Instruction families of translation: short phrases from English to Lumi and back, endings and agreement included."""

from __future__ import annotations

from trivium.world.bilingual import random_phrase, random_sentence
from trivium.world.draws import Draw
from trivium.world.families import Case, Family, case
from trivium.world.state import Side


def _pair(draw: Draw) -> tuple[str, str]:
    side: Side = "held_out" if draw.held_out else "train"
    return (random_sentence if draw.task else random_phrase)(draw.random, side)


def _to_lumi(draw: Draw) -> Case:
    phrase, lumi = _pair(draw)
    return case(lumi, phrase=phrase)


TO_LUMI = Family(
    name="to_lumi",
    line="a short phrase from English to Lumi",
    make=_to_lumi,
    train=(
        "Translate to Lumi: {phrase}",
        "Translate this to Lumi: {phrase}",
        "How do you say this in Lumi? {phrase}",
        "Say it in Lumi: {phrase}",
        "What is this in Lumi? {phrase}",
        "English: {phrase} Lumi:",
        "Put these English words into Lumi: {phrase}",
        "Write in Lumi: {phrase}",
        "Give the Lumi for this: {phrase}",
        "I want to say this in Lumi: {phrase}",
        "Here is some English to translate to Lumi: {phrase}",
        "From English to Lumi: {phrase}",
        "Tell me this in Lumi: {phrase}",
    ),
    held_out=(
        "Please say this in Lumi: {phrase}",
        "Translate this from English to Lumi: {phrase}",
        "How do you write this in Lumi? {phrase}",
        "Please put these English words into Lumi: {phrase}",
    ),
    held_out_task="whole sentences",
)


def _from_lumi(draw: Draw) -> Case:
    phrase, lumi = _pair(draw)
    return case(phrase, phrase=lumi)


FROM_LUMI = Family(
    name="from_lumi",
    line="a short phrase from Lumi to English",
    make=_from_lumi,
    train=(
        "Translate to English: {phrase}",
        "Translate this to English: {phrase}",
        "How do you say this in English? {phrase}",
        "Say it in English: {phrase}",
        "What is this in English? {phrase}",
        "Lumi: {phrase} English:",
        "Put these Lumi words into English: {phrase}",
        "Write in English: {phrase}",
        "Give the English for this: {phrase}",
        "What does this Lumi mean? {phrase}",
        "Here is some Lumi to translate to English: {phrase}",
        "From Lumi to English: {phrase}",
        "Tell me this in English: {phrase}",
    ),
    held_out=(
        "Please say this in English: {phrase}",
        "Translate this from Lumi to English: {phrase}",
        "What does this mean in English? {phrase}",
        "Please put these Lumi words into English: {phrase}",
    ),
    held_out_task="whole sentences",
)

FAMILIES = (TO_LUMI, FROM_LUMI)
