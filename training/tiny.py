"""A few hundred sentences made from word lists: enough to run everything in seconds, as tests do.

They are written for this project; a model that learns them knows nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from training.masking import Masking
from training.optimisation import Rates
from training.readers import Raw
from training.shape import Plan, Shape, Stage
from training.tuning import TuningPlan

PEOPLE = ("老师", "学生", "农民", "工人", "医生", "记者")
DEEDS = ("昨天参观了", "今天走进了", "上午来到了", "去年修建了")
PLACES = ("学校。", "工厂。", "医院。", "图书馆。", "车站。")
IDIOMS = ("画蛇添足", "守株待兔", "亡羊补牢", "井底之蛙", "一心一意", "四面八方", "自言自语", "千方百计")
GOODS = ("这个酒店", "这家餐馆", "这本书", "这台电脑", "那间客房")
VIEWS = ("真的很好", "质量太差", "值得推荐", "价格便宜", "服务周到")
ENDINGS = ("，下次还会再来。", "，我非常满意。", "，大家不要买。")

SHAPE = Shape(layers=2, width=64, heads=2, vocabulary=4200, positions=128)

HELD_OUT = {"news": 0.2, "idioms": 0.1, "examples": 0.3}


def plan(seed: int) -> Plan:
    """A plan for the tiny texts."""
    return Plan(
        seed=seed,
        tokens_a_step=512,
        length=32,
        rates=Rates(muon=0.02, adamw=1e-2),
        stages=(
            Stage(until=0.7, shares={"news": 0.7, "idioms": 0.3}, masking=Masking(rate=0.2)),
            Stage(until=1.0, shares={"news": 0.6, "heads": 0.4}, masking=Masking(rate=0.15), single=True),
        ),
    )


def tuning_plan(seed: int) -> TuningPlan:
    """A plan for tuning the tiny base on the tiny reviews."""
    return TuningPlan(
        seed=seed, epochs=60.0, tokens_a_step=512, length=32, frozen_layers=1, layer_rate=2e-3, head_rate=1e-2
    )


def base() -> Iterator[Raw]:
    """News-like sentences, a document for each person and deed, and idioms with a use of each."""
    for number, (person, deed) in enumerate(itertools.product(PEOPLE, DEEDS)):
        lines = tuple("  ".join((person, "和", "同伴", deed, place[:-1], "。")) for place in PLACES)
        yield Raw("news", "tiny-news", f"news-{number}", lines, segmented=True)
    for idiom in IDIOMS:
        yield Raw("idioms", "tiny-idioms", f"entry-{idiom}", (idiom, f"{idiom}：人们常说的成语。"))
        yield Raw("examples", "tiny-examples", f"example-{idiom}", _uses(idiom))


def _uses(idiom: str) -> tuple[str, ...]:
    return tuple(f"{person}常常说{idiom}。" for person in PEOPLE)


def reviews() -> Iterator[Raw]:
    """Review-like sentences, some of them twice and one with both labels."""
    texts = ["".join(parts) for parts in itertools.product(GOODS, VIEWS, ENDINGS)]
    for text in [*texts, *texts[:10]]:
        yield Raw("reviews", "reviews-pos", text, (text,))
    yield Raw("reviews", "reviews-neg", texts[0], (texts[0],))
