"""The pages of one application: where it stands, what may be done, how its dates came about, its papers to print; and
what waits for a second signature over all of them."""

from __future__ import annotations

from fastapi import APIRouter

from workflow.web.area import N_, Area, Link
from workflow.web.areas.cases import acts, applying, file, queue

router = APIRouter()
for one in (queue, applying, acts, file):
    router.include_router(one.router)

AREA = Area(
    "cases",
    router,
    order=15,
    links=(
        Link("/cases/new", N_("受理新申请"), reads="personal"),  # who takes applications in reads who applies
        Link("/signatures", N_("待会签"), reads="applications"),
    ),
)
