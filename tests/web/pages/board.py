"""Pages of the board."""

from __future__ import annotations

from tests.web.site import Office, Page


def chosen(office: Office) -> str:
    """Handing the first two applications over."""
    from workflow.service import Principal, board

    found = board.page(office.service, Principal("YZ-WL-0", "supervisor", "YZ-WL"), board.Asked(board.ALL))
    return "/board/assign?" + "&".join(f"id={line.id}" for line in found.lines[:2])


PAGES = [
    Page("board", "/board"),
    Page("board-supervisor", "/board?user_class=hv_dual", role="supervisor"),
    Page("board-everything", "/board?whose=all", role="inspector"),
    Page("board-closed", "/board?band=closed"),
    Page("board-found", "/board?number=BZ-YZ-WL-XT-GY-2026-00000"),
    Page("board-none", "/board?number=nothing"),
    Page("board-assign", chosen),
    Page("board-calendar", "/board/calendar"),
    Page("morning", "/board/morning?whose=all", role="supervisor"),
    Page("absences", "/absences"),
    Page("alerts", "/alerts", role="supervisor"),
    Page("alerts-none", "/alerts?level=yellow&status=cleared"),
]
