"""The history of the schema. A released migration is never edited; a change is a new file in `versions`."""
