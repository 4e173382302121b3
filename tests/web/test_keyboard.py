"""Keyboard use of a list, where scripts run."""

from __future__ import annotations

from tests.web.browser import screen

FOCUSED = "document.activeElement.textContent"


def test_keys_move_tick_and_find(browser, served):
    with screen(browser, served, "manager") as window:
        window.goto("/board")
        numbers = window.locator("table.board tbody a").all_inner_texts()
        for key in ("j", "j", "k", "j", "x"):
            window.keyboard.press(key)
        assert window.evaluate(FOCUSED) == numbers[1]
        assert window.locator("input[name=id]:checked").count() == 1
        window.keyboard.press("/")
        assert window.evaluate("document.activeElement.name") == "number"
        window.keyboard.type("jx")  # typed, not acted upon
        assert window.locator("input[name=number]").input_value() == "jx"
        assert window.locator("input[name=id]:checked").count() == 1
        window.keyboard.press("Escape")
        window.keyboard.press("j")
        window.keyboard.press("Enter")
        window.wait_for_url("**/cases/*")
