"""The command line as a user meets it: what is imported, bad input, exit codes, every command's help."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import pixel_csv
from matplotlib.figure import Figure

from linclass import plots
from linclass.analysis.lr_range import FEWEST_STEPS
from linclass.cli.console import call
from linclass.cli.main import cli

HEAVY = ("numpy", "scipy", "matplotlib", "pandas", "threadpoolctl", "PIL", "torch")


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory, a cache and a data variable with nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LINCLASS_DATA", raising=False)


def linclass(*arguments: object) -> int:
    return call(cli, [str(a) for a in arguments], prog_name="linclass")


def own_npz(path: Path = Path("own.npz"), **changes: np.ndarray) -> Path:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 150)
    x = generator.normal(size=(150, 5)) + np.eye(3, 5)[y]
    arrays = {"x_train": x[:120], "y_train": y[:120], "x_test": x[120:], "y_test": y[120:]}
    np.savez(path, **{**arrays, **changes})
    return path


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from linclass.cli.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    for arguments in ("['--help']", "['train', '--help']", "['data', '--help']"):
        program = code.replace("['--help']", arguments)
        done = subprocess.run(
            [sys.executable, "-c", program, *HEAVY], capture_output=True, text=True, check=True
        )
        assert "Usage:" in done.stdout
        assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_linclass_works() -> None:
    done = subprocess.run([sys.executable, "-m", "linclass", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "linclass,")


def test_train_on_the_bundled_sample_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("train", "--epochs", 2) == 0
    out, err = capsys.readouterr()
    assert "on the bundled sample" in out
    assert sum("using the bundled sample of real images" in line for line in err.splitlines()) == 1
    assert '"sample": true' in Path("result_pics/train/run.json").read_text()
    assert "epoch 2/2" in err
    for name in ("values.csv", "state.npz", "best.npz", "2_loss.png", "2_weights.png", "snapshots/2.npz"):
        assert Path("result_pics/train", name).exists()


def test_several_seeds_report_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        linclass("train", "--dataset", own_npz(), "--epochs", 2, "--batch-size", 20, "--seeds", 3, "--test")
        == 0
    )
    out = capsys.readouterr().out
    assert "mean ± 95 % interval of 3 seeds" in out
    assert out.count("±") == 8
    lines = Path("result_pics/train/values.csv").read_text().splitlines()
    assert lines[0].startswith("model,epoch,")
    assert len(lines) == 1 + 2 * 3


def test_train_long_has_the_reports_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("train-long", "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "[default: 2000]",
        "[default: 100]",
        "[default: batches]",
        "[default: all]",
        "[default: stop]",
    ):
        assert words in text
    arguments = ["--dataset", own_npz(), "--epochs", 4, "--snapshot-every", 2, "--batch-size", 20]
    assert linclass("train-long", *arguments) == 0
    for name in ("2_loss.png", "2_accuracy.png", "2_difference.png", "4_difference.png", "snapshots/2.npz"):
        assert Path("result_pics/train_longer", name).exists()


def test_train_long_takes_rows_sorted_by_class(capsys: pytest.CaptureFixture[str]) -> None:
    """And without a test split, which nobody asked for."""
    y = np.repeat([0, 1, 2], 20)
    np.savez("sorted.npz", x_train=np.eye(3)[y], y_train=y)
    train = ["train-long", "--dataset", "sorted.npz", "--epochs", 1, "--overwrite"]
    assert linclass(*train) == 0
    assert "no validation row" not in capsys.readouterr().err
    assert linclass(*train, "--split", "all") == 0
    assert "no validation row has the label 0 or 1" in capsys.readouterr().err
    assert linclass(*train, "--test") == 2


BAD_OPTIONS = [
    (["--eta", 0], 2, "--eta is 0.0: expected a number above 0"),
    (["--eta", -1], 2, "--eta is -1.0"),
    (["--eta", "fast"], 2, "'fast' is not a valid float"),
    (["--lambda", -0.1], 2, "--lambda is -0.1"),
    (["--l2", "nan"], 2, "finite"),
    (["--epochs", 0], 2, "--epochs is 0"),
    (["--batch-size", 0], 2, "--batch-size is 0"),
    (["--batch-size", 5000], 2, "--batch-size is 5,000: expected 1 to 2,000"),
    (["--train-size", 9999999], 2, "--train-size"),
    (["--shuffle", "often"], 2, "'often' is not one of"),
    (["--dataset", "cifar12"], 2, "--dataset is 'cifar12'"),
    (["--dataset", "absent.npz"], 3, "absent.npz"),
    (["--data-dir", "nowhere"], 3, "linclass data fetch cifar10"),
    (["--out", "/proc/no/such"], 6, "cannot write"),
    (["--lr", 1e200, "--lambda", 1], 4, "try a smaller learning rate"),
    (["--epoch", 3], 2, "--epochs"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), BAD_OPTIONS, ids=lambda value: str(value)[:30])
def test_bad_options(arguments: list, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("train", *arguments) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


BAD_DATA = {
    "transposed": ({"x_train": np.zeros((5, 120))}, "transposed"),
    "not finite": ({"x_train": np.full((120, 5), np.nan)}, "finite"),
    "one class": ({"y_train": np.full(120, -1)}, "only the label -1"),
    "float labels": ({"y_train": np.full(120, 0.5)}, "the label of row 0 is '0.5'"),
    "row counts": ({"y_train": np.zeros(119, int)}, "119"),
    "objects": ({"x_train": np.full((120, 5), None)}, "x_train"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    changes, words = BAD_DATA[case]
    assert linclass("train", "--dataset", own_npz(**changes)) == 3
    err = capsys.readouterr().err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("result_pics").exists()


def test_summary_counts_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("summary", "--dataset", "mnist", "--model", "mlp", "--hidden", "256,128,64") == 0
    out, err = capsys.readouterr()
    assert "242,762" in out
    assert "using the bundled sample" in err


def test_lr_range_draws_and_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", own_npz(), "--batch-size", 10, "--steps", 60, "--out", "here.png"]
    assert linclass("lr-range", *arguments) == 0
    assert "suggested: --eta" in capsys.readouterr().out
    assert Path("here.png").stat().st_size > 1000


def test_lr_range_asks_before_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (("--steps", FEWEST_STEPS - 1), f"x>={FEWEST_STEPS}"),
        (("--low", 2, "--high", 1), "expected 0 < low < high"),
        (("--epochs", 3), "No such option"),
    ):
        assert linclass("lr-range", "--dataset", "nowhere.npz", *arguments) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_an_mlp_trains_and_draws_its_first_units(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", dataset, "--model", "mlp", "--hidden", "12", "--epochs", 1, "--quiet"]
    assert linclass("train", *arguments, "--train-size", 300) == 0
    assert Path("result_pics/train/1_weights.png").exists()
    assert linclass("templates", "result_pics/train") == 0
    assert linclass("optimum", "result_pics/train") == 2
    assert "convex" in capsys.readouterr().err


def test_evaluate_details_and_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", "mnist", "--model", "mlp", "--hidden", "12", "--epochs", 1, "--quiet"]
    assert linclass("train", *arguments) == 0
    assert linclass("evaluate", "result_pics/train") == 0
    out = capsys.readouterr().out
    for words in ("95 % interval", "recall", "confusion", "calibration", "most confident mistakes"):
        assert words in out
    for kind in ("confusion", "calibration", "mistakes", "probabilities"):
        assert Path(f"result_pics/train/test_last_{kind}.png").stat().st_size > 1000


def test_pictures_of_other_weights_are_other_pictures_and_say_whose_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles = []

    def drawn(*_: object, title: str, **__: object) -> Figure:
        titles.append(title.splitlines()[-1])
        return Figure()

    for name in ("confusion", "reliability_diagram", "probability_histogram"):
        monkeypatch.setattr(plots, name, drawn)
    options = ["--epochs", 4, "--snapshot-every", 2, "--eta", 0.5, "--quiet", "--out", "r"]
    assert linclass("train", "--dataset", own_npz(), *options) == 0
    for weights in ("last", "best", "2", "2,4"):
        assert linclass("evaluate", "r", "--weights", weights) == 0
    names = {path.name for path in Path("r").glob("test_*_confusion.png")}
    assert names == {f"test_{weights}_confusion.png" for weights in ("last", "best", "2", "2-4")}
    said = titles[::3]
    assert said[0] == "last weights, of epoch 4"
    assert re.fullmatch("best weights, of epoch [1-4]", said[1])
    assert said[2:] == ["weights of epoch 2", "ensemble of the weights of epochs 2, 4"]


def test_a_run_without_a_test_split_is_scored_on_validation_which_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with np.load(own_npz()) as arrays:
        x = np.zeros((120, 784), np.uint8)
        x[:, :5] = np.clip(50 + 20 * arrays["x_train"], 0, 255)
        Path("own.csv").write_text(pixel_csv(x, arrays["y_train"]))
    options = ["--val-size", 20, "--epochs", 2, "--out", "r", "--quiet"]
    assert linclass("train", "--dataset", "own.csv", *options) == 0
    capsys.readouterr()
    assert linclass("evaluate", "r", "--no-details") == 0
    assert "validation rows (it has no test split):" in capsys.readouterr().out
    assert linclass("evaluate", "r", "--no-details", "--on", "validation") == 0
    assert "validation rows:" in capsys.readouterr().out
    assert linclass("evaluate", "r", "--on", "test") == 2
    assert linclass("landscape", "sensitivity", "r") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "r/landscape_sensitivity_validation.png"


def test_no_cell_of_the_result_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", 2, "--quiet", "--out", "r"]
    assert linclass("train", "--dataset", own_npz(), "--test", *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.replace(" %", "%").split()) for line in lines[1:5]] == [2, 3, 3, 3]
    assert re.fullmatch(r"test accuracy \d+\.\d\d %", lines[5])


def test_predict_writes_what_evaluate_scores(capsys: pytest.CaptureFixture[str]) -> None:
    own = own_npz()
    assert linclass("train", "--dataset", own, "--epochs", 3, "--batch-size", 10, "--test", "--out", "r") == 0
    assert linclass("predict", "r", "--out", "s.csv") == 0
    header, *rows = Path("s.csv").read_text().splitlines()
    assert header == "Id,Category"
    ids, predicted = np.array([row.split(",") for row in rows], int).T
    np.testing.assert_array_equal(ids, np.arange(30))
    with np.load(own) as arrays:
        accuracy = np.mean(predicted == arrays["y_test"])
        np.savez("rows.npz", x=arrays["x_test"])
    assert float(Path("r/values.csv").read_text().splitlines()[-1].split(",")[-1]) == accuracy
    assert linclass("predict", "r", "--rows", "rows.npz", "--out", "again.csv", "--first-id", 1) == 0
    assert Path("again.csv").read_text().splitlines()[1].startswith("1,")
    Path("sample.csv").write_text("Id,Category\n" + "".join(f"{i},0\n" for i in range(29)))
    assert linclass("predict", "r", "--sample", "sample.csv", "--out", "t.csv") == 3
    assert linclass("predict", "r", "--replica", 3, "--out", "t.csv") == 2
    assert not Path("t.csv").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_torch_is_asked_for_by_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    arguments = ["--dataset", "mnist", "--model", "torch-mlp", "--hidden", "8"]
    assert linclass("train", *arguments) == 2
    assert '-m pip install "torch>=2.2"' in capsys.readouterr().err


def test_a_damaged_or_missing_file_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("data/cifar-10-batches-py")
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"not a pickle")
    assert linclass("train") == 3
    err = capsys.readouterr().err
    assert "is incomplete" in err
    for name in ("data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(b"\x80\x02}q\x00.")
    assert linclass("train") == 3
    assert "data_batch_1 is not a pickled CIFAR-10 batch" in capsys.readouterr().err


def test_a_run_that_is_there_is_exit_5(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--dataset", own_npz(), "--epochs", 1, "--out", "r"]
    assert linclass(*arguments) == 0
    assert linclass(*arguments) == 5
    err = capsys.readouterr().err
    assert "linclass resume r" in err
    assert "--overwrite" in err
    assert linclass(*arguments, "--overwrite") == 0


def test_resume_and_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("train", "--dataset", own_npz(), "--epochs", 2, "--out", "r") == 0
    assert linclass("resume", "r") == 0
    assert "is finished (2 epochs)" in capsys.readouterr().err
    assert linclass("resume", "r", "--epochs", 3) == 0
    assert linclass("evaluate", "r", "--on", "validation", "--weights", "best") == 0
    assert "on 12 validation rows" in capsys.readouterr().out
    assert linclass("evaluate", "r", "--weights", "77") == 2
    assert linclass("resume", "absent") == 3
    assert "no run in absent" in capsys.readouterr().err


def test_ctrl_c_and_resume_through_the_real_command() -> None:
    train = [sys.executable, "-m", "linclass", "train", "--dataset", str(own_npz()), "--dtype", "float64"]
    arguments = [*train, "--batch-size", "10", "--epochs", "600", "--out"]
    subprocess.run([*arguments, "whole"], check=True, capture_output=True)
    process = subprocess.Popen([*arguments, "part"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert any(line.startswith("epoch 60/") for line in process.stderr)  # read as far as that line
    process.send_signal(signal.SIGINT)
    err = process.communicate()[1]
    assert process.returncode == 130
    assert "linclass resume part" in err
    subprocess.run([sys.executable, "-m", "linclass", "resume", "part"], check=True, capture_output=True)
    assert Path("part/best.npz").read_bytes() == Path("whole/best.npz").read_bytes()
    assert Path("part/snapshots/600.npz").read_bytes() == Path("whole/snapshots/600.npz").read_bytes()


def test_data_list_verify_fetch(capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("data", "list") == 0
    assert "absent" in capsys.readouterr().out
    assert linclass("data", "verify", "cifar10-sample") == 0
    assert linclass("data", "verify") == 3
    assert linclass("data", "fetch", "nothing") == 2
    assert linclass("data", "fetch", "cifar10", "--mirror", Path("nowhere").absolute().as_uri()) == 3
    assert linclass("data", "fetch", "cifar10", "--mirror", "gopher://x") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_gradcheck_passes_and_a_wrong_function_is_exit_7(capsys: pytest.CaptureFixture[str]) -> None:
    assert linclass("gradcheck", "--dataset", own_npz()) == 0
    assert "all 6 gradient checks passed" in capsys.readouterr().out
    source = (
        "import numpy as np\ntheta0 = np.array([1.0, 2.0])\ndef f(theta): return (theta**2).sum(), theta\n"
    )
    Path("mine.py").write_text(source)
    assert linclass("gradcheck", "--function", "mine.py:f") == 7
    assert "half" in capsys.readouterr().out
    assert linclass("gradcheck", "--function", "mine.py:g") == 2
    capsys.readouterr()
    assert linclass("gradcheck", "--function", "mine.py:f", "--hidden", "3") == 2
    assert "leave out --hidden" in capsys.readouterr().err
    Path("right.py").write_text(source.replace("sum(), theta", "sum(), 2 * theta"))
    assert linclass("gradcheck", "--function", "right.py:f") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "the gradient check passed"


def test_optimum_of_options_and_the_gap_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    own = own_npz()
    assert linclass("optimum", "--dataset", own, "--lambda", 0.1, "--quiet") == 0
    assert "converged" in capsys.readouterr().out
    train = ["train", "--dataset", own, "--lambda", 0.1, "--eta", 0.1, "--epochs", 200, "--batch-size", 10]
    assert linclass(*train, "--seeds", 2, "--out", "r", "--quiet") == 0
    capsys.readouterr()
    assert linclass("optimum", "r", "--quiet") == 0
    out = capsys.readouterr().out
    gaps = [float(line.split()[-1]) for line in out.splitlines() if "gap in cost" in line]
    assert len(gaps) == 2
    assert all(0 < gap < 0.01 for gap in gaps)
    assert linclass("optimum", "r", "--lambda", 1) == 2


@pytest.mark.parametrize("redirection", ["| head -1", "2>&1 | head -1", "2>&-", "2>/dev/full", "2>&- | true"])
def test_training_goes_on_when_nobody_reads(redirection: str) -> None:
    train = f"{sys.executable} -m linclass train --dataset {own_npz()} --batch-size 10 --epochs 4"
    command = f"set -o pipefail; {train} {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert '"status": "finished"' in Path("result_pics/train/status.json").read_text()


def test_a_sample_run_outlives_the_arrival_of_the_full_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert linclass("train", "--epochs", 1) == 0
    monkeypatch.setattr(
        "linclass.datasets.load.data_dirs", lambda *_: pytest.fail("it looked for the full data")
    )
    for command in ("resume", "evaluate"):
        assert linclass(command, "result_pics/train") == 0
    assert linclass("resume", "result_pics/train", "--epochs", 2) == 0
    assert "no full CIFAR-10" not in capsys.readouterr().err.split("is finished")[-1]


def test_one_of_several_seeds_diverging(capsys: pytest.CaptureFixture[str]) -> None:
    x = np.full((120, 5), 1e3)
    x[:, 0] = np.arange(120)
    arguments = ["--scaling", "raw", "--eta", 1e300, "--epochs", 2, "--batch-size", 60, "--seeds", 2]
    assert linclass("train", "--dataset", own_npz(x_train=x), *arguments) == 4
    err = capsys.readouterr().err
    assert "model 0: stopped" in err
    assert "model 1: stopped" in err
