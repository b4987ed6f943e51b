"""The series that forecasters are tried on: a catalogue, files with checksums, known drift.

`tasks.data.series.load` gives a series by name; `tasks.data.files` and `tasks.data.download` say
where files are expected, check them and fetch them when asked to. No module here imports torch.
"""
