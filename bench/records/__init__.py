"""What stands between the log of a run and its table.

`condensed` cuts records to what tables need, `long_table` holds them by column, `union` lays the
runs of one comparison beside each other, `differences` says what keeps two of their rows apart,
`merge` makes one run folder of several.
"""
