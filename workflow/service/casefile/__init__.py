"""The file of one application as its pages show it: each page in one read of at most eight queries.

Everything is derived from the state, the definition and the calendar by the core; nothing here decides anything.
Personal data are masked for roles that need not know them; whatever lies outside the viewer's unit is not found.
Moments are of the business zone (Asia/Shanghai).
"""
