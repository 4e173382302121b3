"""The pages: a face beside the interface and the command line; it calls the service and nothing below it.

How a page is made
------------------

1. An *area* is a module or package in `workflow/web/areas/` with `router = APIRouter()` and
   `AREA = Area("name", router, order=…, links=(Link("/path", N_("文字"), reads="applications"),))`.  It is found there;
   nothing else has to be told.  `order` places its links in the navigation, which a role sees when it may read `reads`.

2. A page is a plain function; FastAPI runs it in a thread, so it may call the service directly::

       @router.get("/cases/{id}")
       def case(visit: Staff, case_id: Annotated[str, Path(alias="id")]) -> Response:
           return visit.page("cases/case.html", case=queries.case(visit.service, visit.principal, case_id))

       @router.post("/cases/{id}/remarks")
       def remark(visit: Staff, form: Form, case_id: …) -> Response:
           …
           return visit.go(f"/cases/{case_id}", visit.gettext(N_("已保存。")))

   `Staff` is a visit of somebody signed in (others are sent to sign in), `Visitor` anybody's.  `visit.principal` is the
   same `Principal` a key gives; `visit.may(command="suspend")` says whether to show a button, the service decides.
   A POST always ends in `visit.go`; its form is checked for our CSRF token before the function runs, so each form needs
   `{{ ui.csrf() }}`.  Raised `Refused` become a page with the clause; to keep a form's content, catch it and show the
   form again with `ui.errors` (see `areas/signing.py`).  Never touch the database here: what a page needs is one
   function in `workflow/service`, of at most ten statements together with the session's.

3. A template extends `base.html` and fills `title`, `content` and, where needed, `actions` and `styles` (a style sheet
   of the area: put it at `static/<area>.css` and link `asset("<area>.css")`).  Macros are in
   `templates/parts/components.html` (`ui`), filters in `rendering.py`.  The page must work without JavaScript and under
   a policy without inline styles: draw with classes, or as SVG with attributes (`x`, `width`, `fill`; never `style=`).
   A list is `<table class="cards" data-rows>` with `data-label` on its cells, ends in `ui.pager(next)` and says
   `ui.empty(…)` when it has no rows.

4. Text is written in Chinese inside `_("…")` or `{% trans %}` in templates, `visit.gettext(N_("…"))` in Python, `N_`
   for constants; codes are named by `word(kind, code)`, terms of the law (`zh`/`en`) by `|say`.  English stands in
   `locales/en/LC_MESSAGES/<area>.po`; `tests/web/test_language.py` names what lacks it.

5. Tests: `tests/web/pages/<area>.py` lists the pages as `PAGES = [Page("name", "/path", role="manager")]`; a path may
   be a function of the site.  Everything general is tested from that list: both languages, 390 and 1440 px, axe, no
   JavaScript, the statements it makes; `make screenshots` draws it into `var/screenshots`.
"""
