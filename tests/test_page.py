"""The interactive page of `archc view`, as a reader uses it: clicks, keys, search, the address, touch, print."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

import archc
from archc.compiler.view.page.page import page_html
from archc.model_view.draw import draw_model

from .browser import Tab, draw_net, start_browser

Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of a net of the zoo, written once."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(page_html(draw_net(name)), "utf-8")
        return path

    return write


@pytest.fixture
def open_page(browser: Any, pages: Callable[[str], Path]) -> Iterator[Open]:
    """Opens a net's page in a new tab; at the end nothing may have gone wrong in it."""
    tabs: list[Tab] = []

    def open_net(name: str, state: str = "", **options: Any) -> Tab:
        tabs.append(Tab(browser, **options).open(pages(name), state))
        return tabs[-1]

    yield open_net
    for tab in tabs:
        tab.close()


# ---- the header and the tooltips


def test_the_totals_are_whole_and_boxes_tell_their_paths(open_page: Open) -> None:
    tab = open_page("googlenet", "heat=macs", viewport={"width": 1300, "height": 700})
    told = tab.page.locator("#totals")
    assert "bytes of all outputs" in told.inner_text()
    assert told.evaluate(
        "(e) => [...e.children].every((s) => s.getBoundingClientRect().right <= e.getBoundingClientRect().right + 1)"
    )
    titles = tab.run("() => [...document.querySelectorAll('.boxes title')].map((title) => title.textContent)")
    assert {"conv1", "inception3a"} <= set(titles)


# ---- opening and closing


@pytest.mark.parametrize(
    "name, title, inside, scrolled",
    [
        ("googlenet", "inception5b", "3×3 conv, 384", 10_000),
        ("densenet121", "denseblock4", "denselayer1 … denselayer16", 10_000),
        ("fractalnet20_cifar", "block3", "deep.0", 300),
    ],
)
def test_a_click_opens_a_block_and_closes_it_and_it_stays_where_it_is(
    open_page: Open, name: str, title: str, inside: str, scrolled: int
) -> None:
    tab = open_page(name)
    tab.run("(y) => document.getElementById('view').scrollTo(0, y)", scrolled)
    before, missing = tab.place(title), inside not in tab.titles()
    tab.click(title)
    opened = tab.place(title)
    assert missing and inside in tab.titles()
    assert opened == pytest.approx(before, abs=1.5)  # a selected box has a wider border
    tab.click(title)
    assert inside not in tab.titles()
    assert tab.place(title) == pytest.approx(opened, abs=1)


def test_a_repeat_is_shown_once_and_unrolled_on_demand(open_page: Open) -> None:
    tab = open_page("resnet50")
    tab.click("layer1")
    assert "1 … 2" in tab.titles()
    tab.click("1 … 2")
    once = tab.titles().count("3×3 conv, 64")
    tab.box("1 … 2").locator(".badge").click()
    assert tab.titles().count("1") == tab.titles().count("2") == 1
    tab.click("2")
    assert tab.titles().count("3×3 conv, 64") == once
    tab.press("ArrowLeft", "ArrowLeft", "u")
    assert "2" not in tab.titles() and tab.titles().count("3×3 conv, 64") == once


def test_all_is_opened_and_closed_again(open_page: Open) -> None:
    tab = open_page("googlenet")
    first = tab.titles()
    tab.page.click("#all")
    assert tab.titles().count("concat") == 9
    tab.page.click("#overview")
    assert tab.titles() == first


def test_a_card_is_opened_by_a_second_click(open_page: Open) -> None:
    tab = open_page("googlenet")
    tab.box("7×7 conv, 64 /2").locator(".title").first.dblclick()
    assert {"7×7 conv, 64 /2", "BN", "ReLU"} <= set(tab.titles())


# ---- the panel and the source


def test_a_box_selects_its_lines(open_page: Open) -> None:
    tab = open_page("googlenet")
    text = tab.page.locator("#source .line").all_inner_texts()
    tab.click("inception4a")
    (line,) = tab.lines("all")
    assert "name: inception4a" in text[line - 1]
    assert tab.lines("some"), "the lines of the block serve others, too"
    tab.click("3×3 conv, 208")
    strong = [text[line - 1] for line in tab.lines("all")]
    assert any("inception4a" in each for each in strong) and any("$b2," in each for each in strong)
    assert "480×14×14" not in tab.details() and "96×14×14 → 208×14×14" in tab.details()
    assert "inception4a.branch2.1.conv" in tab.details()


def test_a_line_selects_all_its_boxes_and_offers_to_open_what_hides_them(open_page: Open) -> None:
    tab = open_page("googlenet")
    tab.page.locator(".line", has_text="$b2, kernel").click()
    related = "() => document.querySelectorAll('.boxes > .related').length"
    assert tab.run(related) == 9 and "makes 27 nodes" in tab.details()
    tab.page.get_by_role("button", name="Open 9 closed blocks").click()
    assert tab.run(related) == 9 and tab.titles().count("concat") == 9
    tab.page.locator(".line", has_text="summary:").click()
    assert tab.run(related) == 0 and "makes 0 nodes" in tab.details()


def test_costs_are_told_as_numbers_and_shares_and_coloured(open_page: Open) -> None:
    tab = open_page("alexnet", "open=*")
    tab.page.select_option("#heat", "params")
    hottest = tab.page.locator(".boxes > .heat5").first
    assert "linear, 4096" in hottest.text_content()
    assert tab.run("() => getComputedStyle(document.querySelector('.heat5 > .face')).fill") == "rgb(166, 60, 6)"
    assert tab.page.locator("#legend").is_visible()
    hottest.locator(".title").click()
    assert "37.8 M" in tab.details() and "62 %" in tab.details()


DETAIL = {
    "op": "conv",
    "fields": {"out": 6, "kernel": [5, 5]},
    "shape": [["height", "(28 + 2·2 − 5) // 1 + 1", 28], ["width", "28", 28, "as it came"]],
    "tensors": [["weight", [6, 1, 5, 5], "6·1·5·5", 150], ["bias", [6], "6", 6]],
    "costs": [["MACs", "150·28·28", 117600]],
    "receptive_field": {"height": 5, "stride": [1, 1]},
    "torch": "Conv2d(1, 6, kernel_size=(5, 5))",
    "onnx": [["", "Conv", ["image"], {"kernel_shape": [5, 5]}], "odd"],
    "passes": [["fold-batch-norm", "took the norm in"]],
    "of_later_versions": {"some": [[1, 2], "thing"]},
}


def test_a_click_shows_all_that_the_compiler_explains(browser: Any, tmp_path: Path) -> None:
    plain = draw_net("lenet5_modern")
    nodes = tuple(node._replace(detail=0 if i == 0 else None) for i, node in enumerate(plain.nodes))
    path = tmp_path / "page.html"
    path.write_text(page_html(plain._replace(nodes=nodes, details=(DETAIL,))), "utf-8")
    tab = Tab(browser).open(path)
    tab.press("ArrowDown", "ArrowDown")
    told = " ".join(tab.details().split())
    for words in ("kernel [5, 5]", "height = (28 + 2·2 − 5) // 1 + 1 = 28", "width = 28 as it came", "weight 6×1×5×5: 6·1·5·5 = 150",
                  "MACs = 150·28·28 = 117600", "height 5", "Conv2d(1, 6, kernel_size=(5, 5))", "Conv", "fold-batch-norm took the norm in",
                  "of later versions", "1×2", nodes[0].path):  # fmt: skip
        assert words in told, (words, told)
    tab.close()


@pytest.mark.parametrize("ours", [True, False], ids=["archc's", "foreign"])
def test_a_click_tells_what_a_models_file_says(browser: Any, tmp_path: Path, ours: bool) -> None:
    model = tmp_path / "net.onnx"
    archc.load("lenet5_modern").export_onnx(model, proof="none")
    if not ours:
        foreign = onnx.load(model)
        onnx.helper.set_model_props(foreign, {})
        onnx.save(foreign, model)
    path = tmp_path / "page.html"
    path.write_text(page_html(draw_model(str(model), explained=True)), "utf-8")
    tab = Tab(browser).open(path)
    tab.press("ArrowDown", "ArrowDown")
    told = " ".join(tab.details().split())
    common = (
        "Reads",
        "image 1×32×32, f32",
        "Weights and constants",
        "c1.weight 6×1×5×5, f32",
        "Gives",
        "c1 6×28×28, f32",
        "Conv",
    )
    own = ("nn.Conv2d(1, 6,", "(32 − 5) // 1 + 1 = 28", "Receptive field", "lenet5_modern.yaml:17", "ONNX")
    for words in (*common, *(own if ours else ("Operator", "Name in the file", "Attributes", "kernel shape [5, 5]"))):
        assert words in told, (words, told)
    tab.close()


# ---- search


def test_search_goes_through_hits_and_opens_what_hides_them(open_page: Open) -> None:
    tab = open_page("googlenet")
    tab.press("/")
    tab.page.keyboard.type("branch3.1")
    assert tab.page.inner_text("#hits") == "9"
    assert tab.run("() => document.querySelectorAll('.boxes > .hit').length") == 9
    tab.press("Enter")
    assert tab.page.inner_text("#hits") == "1/9" and "3×3 conv, 32" in tab.selected()[0]
    tab.press("Enter", "Enter")
    assert tab.page.inner_text("#hits") == "3/9" and "3×3 conv, 48" in tab.selected()[0]
    tab.press("Shift+Enter", "Shift+Enter", "Shift+Enter")
    assert tab.page.inner_text("#hits") == "9/9" and "3×3 conv, 128" in tab.selected()[0]
    assert tab.page.locator("#announcer").inner_text().startswith("9 of 9: inception5b.branch3.1")
    tab.press("Escape", "Escape")
    assert tab.run("() => document.querySelectorAll('.boxes > .hit').length") == 0


def test_a_hit_in_a_later_round_unrolls_its_repeat(open_page: Open) -> None:
    tab = open_page("resnet50")
    tab.page.fill("#query", "layer3.4.conv2")
    tab.press("Enter")
    assert "3×3 conv, 256" in tab.selected()[0]
    assert "layer3.4.conv2" in tab.details()


# ---- keys and screen readers


def test_the_keyboard_walks_opens_and_closes(open_page: Open) -> None:
    tab = open_page("googlenet")
    tab.press("ArrowDown", "ArrowDown")
    assert tab.focused().startswith("7×7 conv, 64 /2")
    tab.press("End")
    last = tab.focused()
    tab.press("ArrowDown")
    assert tab.focused() == last
    tab.press("Home")
    for _ in range(7):
        tab.press("ArrowDown")
    assert tab.focused().startswith("inception3b") and "closed block" in tab.focused()
    tab.press("ArrowRight")
    assert "open block" in tab.focused()
    tab.press("ArrowRight")
    assert tab.focused().startswith("1×1 conv, 128")
    tab.press("ArrowLeft", "ArrowLeft")
    assert "closed block" in tab.focused()
    tab.press("Enter", "Enter")
    assert "closed block" in tab.focused()
    assert tab.page.locator("#announcer").inner_text() == "inception3b closed"


def test_keys_reach_every_control(open_page: Open) -> None:
    tab = open_page("googlenet")
    tab.press("a", "h", "t", "+", "y")
    assert tab.run(
        "() => [document.querySelectorAll('.heat5').length > 0, document.documentElement.dataset.theme]"
    ) == [True, "dark"]
    assert tab.page.inner_text("#zoom") == "125 %" and not tab.page.locator("#side").is_visible()
    tab.press("o", "0", "y", "?")
    assert tab.page.locator("#help").is_visible()
    tab.press("Escape")
    assert not tab.page.locator("#help").is_visible() and "concat" not in tab.titles()
    reached = tab.run(
        """() => [...document.querySelectorAll('*')].filter((each) => each.tabIndex >= 0 && each.checkVisibility())
            .map((each) => each.id || each.getAttribute('role'))"""
    )
    assert {"query", "heat", "all", "theme", "download", "splitter", "details", "listbox"} <= set(reached)
    assert reached.count("treeitem") == 1, "the arrows walk on from there"


def test_screen_readers_get_a_tree(open_page: Open) -> None:
    tab = open_page("resnet50", "open=*")
    found = tab.run(
        """() => [...document.querySelectorAll('[role=tree] [role=treeitem]')].map((box) =>
            ['aria-label', 'aria-level', 'aria-expanded', 'tabindex'].map((name) => box.getAttribute(name)))"""
    )
    assert len(found) > 50
    assert all(label and int(level) > 0 for label, level, _, _ in found)
    assert {level for _, level, _, _ in found} >= {"1", "2", "3"}
    assert all(expanded == "true" for label, _, expanded, _ in found if "open block" in label)
    assert [tab for _, _, _, tab in found].count("0") == 1
    label = next(label for label, *_ in found if label.startswith("3×3 conv, 512"))
    assert "gives 512×7×7" in label and "MACs" in label and "%" in label
    assert tab.run("() => document.querySelector('.edges').getAttribute('aria-hidden')") == "true"


# ---- the address


def test_the_state_survives_a_reload(open_page: Open) -> None:
    tab = open_page("googlenet")
    tab.click("inception4a")
    tab.click("3×3 conv, 208")
    tab.page.select_option("#heat", "params")
    tab.press("t")
    told = "() => [location.hash, document.documentElement.dataset.theme, document.getElementById('heat').value]"
    before = [tab.run(told), tab.titles(), tab.selected(), tab.details(), tab.lines("all")]
    tab.page.reload()
    assert [tab.run(told), tab.titles(), tab.selected(), tab.details(), tab.lines("all")] == before
    tab.press("o", "Escape", "h", "h", "h", "h")
    tab.run("() => document.getElementById('heat').value = ''")


HOSTILE = [
    "open=%E0%A4%A,<img src=x onerror=alert(1)>&select=%3D__proto__",
    "open=constructor,__proto__,toString&select=0:999999999&heat=constructor",
    "select=999:1&zoom=1e999&theme=javascript:alert(1)",
    "zoom=-5&open=&heat=__proto__&select=" + "9" * 5000,
    "&&==&open==&%%%",
    "open=" + ",".join(f"x{i}" for i in range(3000)),
]


def test_a_hostile_address_is_harmless(open_page: Open) -> None:
    tab = open_page("lenet5_modern")
    for state in HOSTILE:
        tab.page.goto(f"{tab.page.url.split('#')[0]}#{state}")
        tab.page.reload()
        assert len(tab.titles()) > 5, state
        assert 10 <= tab.run("() => parseFloat(document.getElementById('zoom').textContent)") <= 400, state


# ---- other screens


def test_a_narrow_screen_has_a_drawer_and_targets_for_fingers(open_page: Open) -> None:
    tab = open_page("googlenet", viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    assert tab.run("() => document.documentElement.scrollWidth") <= 400
    tab.box("inception3a").locator(".title").tap()
    assert tab.titles().count("concat") == 1
    assert not tab.page.locator("#source").is_visible() and "inception3a" in tab.page.inner_text("#drawer")
    tab.page.tap("#drawer")
    assert tab.page.locator("#source").is_visible() and "Inception" in tab.details()
    small = """() => [...document.querySelectorAll('button, select, input, .boxes > g')].filter((each) => each.checkVisibility())
        .map((each) => [each.id || each.textContent, each.getBoundingClientRect()])
        .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
    assert tab.run(small) == []


def test_two_fingers_zoom_around_their_middle(open_page: Open) -> None:
    tab = open_page("googlenet", has_touch=True)
    touch = tab.context.new_cdp_session(tab.page)

    def fingers(kind: str, *across: int) -> None:
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": 400, "id": x % 7} for x in across]}
        )

    fingers("touchStart", 350, 450)
    fingers("touchMove", 350, 450)
    fingers("touchMove", 301, 499)
    fingers("touchEnd")
    assert tab.page.inner_text("#zoom") == "198 %"


def test_the_size_of_text_that_the_browser_is_set_to_is_the_pictures_too(open_page: Open) -> None:
    tab = open_page("lenet5_modern")
    width = "() => document.getElementById('picture').getBoundingClientRect().width"
    before = tab.run(width)
    tab.run("() => { document.documentElement.style.fontSize = '24px'; dispatchEvent(new Event('resize')); }")
    tab.press("0")
    assert tab.run(width) == pytest.approx(1.5 * before, rel=0.01)


@pytest.mark.slow
def test_print_has_the_whole_picture_and_no_panels(open_page: Open) -> None:
    tab = open_page("densenet201", "open=**&theme=dark")
    count = "() => document.querySelectorAll('.boxes > g').length"
    culled = tab.run(count)
    tab.page.emulate_media(media="print")
    tab.run("() => dispatchEvent(new Event('beforeprint'))")
    assert tab.run(count) > 2 * culled > 0
    assert not any(tab.page.locator(each).is_visible() for each in ("header", "#side", "#strip", "#splitter"))
    assert tab.run("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", "paper is white"
    tab.page.emulate_media(media="screen")
    tab.run("() => dispatchEvent(new Event('afterprint'))")
    assert tab.run(count) == culled


@pytest.mark.slow
def test_a_thousand_layers_scroll_with_few_elements(open_page: Open) -> None:
    tab = open_page("resnet1202_cifar_optA", "open=**")
    count = "() => document.querySelectorAll('.boxes > g').length"
    assert 20 < tab.run(count) < 400
    first = tab.titles()
    tab.run("() => { const view = document.getElementById('view'); view.scrollTop = view.scrollHeight / 2; }")
    tab.page.wait_for_function("(first) => document.querySelector('.boxes > g').textContent !== first", arg=first[0])
    assert tab.run(count) < 400
    tab.press("End")
    assert tab.focused().startswith(("logits", "linear"))


def test_the_downloaded_picture_stands_alone(open_page: Open) -> None:
    tab = open_page("googlenet", "open=*&heat=macs&theme=dark")
    with tab.page.expect_download() as started:
        tab.page.click("#download")
    assert started.value.suggested_filename == "googlenet.svg"
    text = Path(started.value.path()).read_text("utf-8")
    root = ET.fromstring(text)
    assert "var(" not in text and "reach" not in text and "http" not in text.replace("http://www.w3.org/", "")
    classes = [each.get("class", "").split() for each in root.iter("{http://www.w3.org/2000/svg}g")]
    assert sum("bar" in each for each in classes) == 9 and "#0f1318" in text
    assert len(list(root.iter("{http://www.w3.org/2000/svg}text"))) > 100
