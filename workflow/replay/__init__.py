"""Historical cases: read as they come, judged by the rules of their own day, told with the evidence side by side.

Imports the core and the definitions, never rows or commands.
"""
