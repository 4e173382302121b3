"""What a replay hands over: tables, a report to read, a workbook for the desk, and a summary for machines.

`run` writes them, `reading` reads them for the pages; `words` and `cells` serve everything that is shown.
"""
