from tasks.data.errors import DataProblem, did_you_mean


def test_a_problem_prints_its_finding_place_and_remedy():
    problem = DataProblem("no rows", "a.csv:1", "add some")
    assert str(problem) == "no rows\n  --> a.csv:1\n  help: add some"


def test_a_problem_without_place_and_remedy_is_one_line():
    assert str(DataProblem("no rows")) == "no rows"


def test_the_nearest_name_is_found_whatever_its_case_or_joining_sign():
    known = ["sm-co2", "etth1"]
    assert did_you_mean("sm_co2", known, like="-") == "did you mean 'sm-co2'?"
    assert did_you_mean("ETTh1", known, like="-") == "did you mean 'etth1'?"
    assert did_you_mean("log-dif", ["log_diff"], like="_") == "did you mean 'log_diff'?"


def test_a_name_like_no_other_suggests_nothing():
    assert did_you_mean("qqqqq", ["sm-co2"], like="-") == ""
