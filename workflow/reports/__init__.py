"""The regulator's half-yearly tables: annex 2 (indicators) and annex 3 (benefits), counted case by case.

Pure: (definition, state) pairs come in one after another, a table comes out; nothing is kept of a case but its counts.
"""
