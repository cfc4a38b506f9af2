"""Forms on pages, made from the frozen JSON Schema: `kinds.py` says what a part of a schema is for a person,
`showing.py` makes the controls, `reading.py` turns what was sent back into JSON. Whether that fits is for
`validation.py` to say."""
