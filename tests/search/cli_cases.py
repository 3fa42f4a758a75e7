"""Every command of the command line, where it succeeds and where it fails.

In the current folder are the files below and, under `fresh`, the storage of a study `mine` without trials; the
storage that the environment names has a study `mine` whose two trials are done.
"""

STUDY_FILE = """
name = "own"
net = "numpy"
dataset = "digits"
validation = 250
[budget]
trials = 2
epochs = 1
[search]
hidden_size = { low = 4, high = 8 }
[fixed]
preprocessing = "standardize"
"""

FILES = {
    "own.toml": STUDY_FILE,
    "bad.toml": STUDY_FILE.replace("epochs = 1", "epochs = 0"),
    "text.toml": "no TOML",
    "alike.toml": STUDY_FILE.replace("own", "alike").replace(
        "8 }", "8 }\nlearning_rate = { low = 1e-3, high = 0.1 }"
    ),
    "grid.toml": STUDY_FILE.replace('"own"', '"grid"\nsampler = "grid"'),
    "learnt.toml": STUDY_FILE.replace('"own"', '"learnt"\nstart = "learnt"'),
}

FRESH = ("--storage", "fresh/studies.db")
NONE = ("--storage", "none.db")

# arguments, exit code, part of stdout, part of stderr
SUCCESSES: list[tuple[tuple[str, ...], int, str, str]] = [
    (("--version",), 0, "mlpsearch, version ", ""),
    (("list",), 0, "  digits-numpy             numpy  digits         30 trials × 20 epochs\n", ""),
    (("list",), 0, "studies.db: mine\n", ""),
    (("list", *NONE), 0, "In sqlite:///none.db: none yet\n", ""),
    (("status",), 0, "mine: complete (NumPy net, digits)\n  trials     2/2: 2 finished, 0 pruned, 0 failed\n", ""),
    (("status", "mine"), 0, "epochs trained: 4\n", ""),
    (("status", *FRESH), 0, "mine: open (NumPy net, digits)\n  trials     0/2: 0 finished, ", ""),
    (
        ("run", "mine"),
        0,
        "mine: complete (NumPy net, digits)\n",
        "Next: mlpsearch dashboard, or mlpsearch export mine",
    ),
    (("run", "mine"), 0, "by `mlpsearch run mine`: trial ", ""),
    (("run", "mine", "--no-evaluate"), 0, "mine: complete ", "Next: "),
    (("resume", "mine"), 0, "by `mlpsearch resume mine`: trial ", "Next: "),
    (
        ("confirm", "mine", "--top", "1", "--report", "2"),
        0,
        ", trained again over 2 fresh seeds: ",
        "confirming mine: ",
    ),
    (("submit", "own.toml"), 0, "", "own: 2 trials in sqlite:////"),
    (("submit", "alike.toml", "--like", "mine"), 0, "", "alike: tried first: 2 of study mine"),
    (("submit", "learnt.toml"), 0, "", "learnt: tried first: "),
    (("submit", "grid.toml"), 0, "", "grid: 5 points, of which its budget tries the first 2\n"),
    (("submit", "digits-numpy"), 0, "", "digits-numpy: 30 trials in sqlite:////"),
    (
        ("submit", "own.toml", "--artifacts", "shared", "--storage", "new.db"),
        0,
        "",
        "own: 2 trials in sqlite:///new.db;",
    ),
    (("submit", "mine", "--trials", "7"), 0, "", "mine: 7 trials in sqlite:////"),
    (
        ("enqueue", "mine", "hidden_size=5", "learning_rate=3e-3"),
        0,
        "",
        "mine: trial 2 waits for a worker, but its budget of 2 trials has no room left; "
        "`mlpsearch submit mine --trials 3` makes it larger\n",
    ),
    (("worker", "mine"), 0, "", ""),
    (("stop", "mine"), 0, "", "mine: stopped; `mlpsearch resume mine` goes on\n"),
    (("evaluate", "mine"), 0, "test split opened ", ""),
    (("export", "mine", "-o", "best.toml"), 0, "", "wrote best.toml; `mlpsearch train best.toml` trains it again"),
    (("export", "mine", "-o", "best"), 0, "", "; `mlpsearch predict best IMAGE…` classifies images with it\n"),
    (
        ("export", "mine", "-o", "best.json"),
        0,
        "",
        "wrote best.json; `mlpsearch train best.json` trains it again\n",
    ),
    (("export", "mine", "-o", "best", "--onnx"), 0, "", "wrote best; "),
    (("export", "mine", "--weights", "w.safetensors"), 0, "", "wrote w.safetensors\n"),
    (("export", "mine", "--trials", "trials.csv"), 0, "", "wrote trials.csv\n"),
    (("export", "mine", "--trials", "trials.csv", *FRESH), 0, "", "wrote trials.csv\n"),
    (("report", "mine"), 0, "", "wrote mine.html\n"),
    (("report", "mine", "-o", "mine.HTM", *FRESH), 0, "", "wrote mine.HTM\n"),
    (("report", "mine", "-o", "fresh.html", *FRESH), 0, "", "wrote fresh.html\n"),
    (("delete", "mine", "--yes"), 0, "", "deleted mine: 2 trials, and its files\n"),
    (("gc",), 0, "", "deleted 0 files, 0 bytes\n"),
]

FAILURES: list[tuple[tuple[str, ...], int, str]] = [
    (
        ("run", "own.toml", "--like", "mine"),
        1,
        "error: study own: transfer.studies names 'mine', which searches other fields: "
        "only one of the two searches learning_rate",
    ),
    (("submit", "own.toml", "--like", "mime"), 1, "names 'mime', which is not in "),
    (("run", "own.toml", "--like", "a\n"), 1, "names 'a\\n', which is not in "),
    # what a user can mend: one line that says what was given, and what is allowed or where
    (("run", "nothing"), 1, "'nothing': no study of the catalog and no file"),
    (
        ("run", "digits-nunpy"),
        1,
        "'digits-nunpy': no study of the catalog and no file (did you mean digits-numpy?)",
    ),
    (("run", "bad.toml"), 1, "bad.toml: budget.epochs = 0: must be a whole number from 1 to 100000"),
    (("run", "text.toml"), 1, "text.toml: is not valid TOML: "),
    (("run", "none.toml"), 1, "none.toml: cannot be read: No such file or directory"),
    (("run", "own.toml", "--data", "none.tar"), 1, "none.tar: No such file or directory"),
    (
        ("run", "own.toml", "--storage", "mysql://h/d"),
        1,
        "storage mysql://…: must be a file, sqlite:///FILE or postgresql",
    ),
    (("run", "own.toml", "--storage", "own.toml"), 1, "own.toml: cannot be opened as a storage (file is not a"),
    (("run", "own.toml", "--artifacts", "gs://b/a"), 1, "'gs://b/a': must be a folder or s3://BUCKET/PREFIX"),
    (("run", "own.toml", "--artifacts", "none"), 1, "/none: has no files of the studies in sqlite:////"),
    (
        ("run", "mine", "--trials", "1"),
        1,
        "study mine: --trials 1 is less than it has begun; it can end with 2 trials",
    ),
    (("submit", "mine", "--trials", "1"), 1, "study mine: --trials 1 is less than it has begun"),
    (("submit", "bad.toml"), 1, "bad.toml: budget.epochs = 0"),
    (("submit", "nothing"), 1, "'nothing': no study of the catalog and no file"),
    (("enqueue", "nothing", "depth=2"), 1, "study 'nothing': not in sqlite:////"),
    (
        ("enqueue", "mine", "hiden_size=5"),
        1,
        "study mine: hiden_size = '5': is not under [search] (did you mean hidden_",
    ),
    (
        ("enqueue", "mine", "hidden_size=many"),
        1,
        "study mine: hidden_size = 'many': must be from 4 to 16, as search.",
    ),
    (
        ("enqueue", "mine", "learning_rate="),
        1,
        "study mine: learning_rate = '': must be from 0.001 to 0.1, as search.",
    ),
    (("resume", "mine (confirmation)", *FRESH), 1, "study 'mine (confirmation)': not in sqlite:///fresh"),
    (("confirm", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("confirm", "mine", *FRESH), 1, "study mine: no trial is finished yet; `mlpsearch run mine` goes on"),
    (("resume", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("resume", "mine", *NONE), 1, "none.db: no such storage; `mlpsearch run STUDY` makes one"),
    (("stop", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("worker", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("worker", *NONE), 1, "none.db: no such storage"),
    (("worker", "mine", "--artifacts", "none"), 1, "study mine: its files are not in /"),
    (("status", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("status", "mien"), 1, "studies.db (did you mean mine?)"),
    (("export", "mime", "-o", "best"), 1, "studies.db (did you mean mine?)"),
    (("run", "mne"), 1, "'mne': no study of the catalog and no file (did you mean mine?)"),
    (("status", *NONE), 1, "none.db: no such storage"),
    (("list", "--storage", "own.toml"), 1, "own.toml: cannot be opened as a storage"),
    (("evaluate", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("evaluate", "mine", "--artifacts", "none"), 1, "study mine: its files are not in /"),
    (("evaluate", "mine", *FRESH), 1, "study mine: no trial is finished yet; `mlpsearch run mine` goes on"),
    (("export", "mine", "-o", "x.toml", *FRESH), 1, "study mine: no trial is finished yet"),
    (("export", "mine", "-o", "own.toml/x.toml"), 1, "own.toml/x.toml: cannot be written ("),
    (
        ("export", "mine", "-o", "best.yaml"),
        1,
        "best.yaml: must end in .toml or .json, or name a folder, without a",
    ),
    (("export", "mine", "-o", "fresh"), 1, "fresh: is there and is no export (it has "),
    (("export", "mine", "--weights", "best.pt"), 1, "best.pt: must end in .safetensors"),
    (("export", "mine", "--trials", "trials.xlsx"), 1, "trials.xlsx: must end in .csv"),
    (("export", "mine", "--trials", "own.toml/x.csv"), 1, "own.toml/x.csv: cannot be written ("),
    (("predict", "none", "x.png"), 1, "none: cannot be read (No such file or directory)"),
    (("predict", "fresh", "x.png"), 1, "fresh/export.toml: cannot be read (No such file or directory)"),
    (("report", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("report", "mine", "-o", "own.toml/x.html"), 1, "own.toml/x.html: cannot be written ("),
    (("report", "mine", "-o", "report.pdf"), 1, "report.pdf: must end in .html or .htm"),
    (("report", "mine", "-o", "report"), 1, "report: must end in .html or .htm"),
    (("report", "mine", *NONE), 1, "none.db: no such storage"),
    (("compare", "mine"), 1, "compare: needs at least two studies, got 1"),
    (("compare", "mine", "mine"), 1, "compare: study 'mine' is given twice"),
    (("compare", "mine", "nothing"), 1, "study 'nothing': not in sqlite:////"),
    (("train", "none.toml"), 1, "none.toml: cannot be read (No such file or directory)"),
    (("train", "own.toml"), 1, "own.toml: "),
    (("delete", "nothing", "--yes"), 1, "study 'nothing': not in sqlite:////"),
    (("gc", *NONE), 1, "none.db: no such storage"),
    (("gc", "--artifacts", "none"), 1, "/none: has no files of the studies in sqlite:////"),
    (("dashboard", "--artifacts", "none"), 1, "/none: has no files of the studies in sqlite:////"),
    (("mcp", "--storage", "mysql://h/d"), 1, "storage mysql://…: must be a file, sqlite:///FILE or postgresql"),
    (("dashboard", *NONE), 1, "none.db: no such storage"),
    (("serve", *NONE), 1, "none.db: no such storage"),
    (("serve", "--host", "no such host"), 1, "host 'no such host': must be a name or an address of this machine"),
    (
        ("resume", "mine", "--ray", "nonsense"),
        1,
        "--ray nonsense: cannot be used (Invalid address format: nonsense)",
    ),
    # usage
    ((), 2, "Usage: "),
    (("unknown",), 2, "No such command 'unknown'"),
    (("run",), 2, "Missing argument 'STUDY'"),
    (("run", "mine", "--trials", "0"), 2, "Invalid value for '--trials': 0 is not in the range x>=1"),
    (("run", "mine", "--trials", "many"), 2, "Invalid value for '--trials': 'many' is not a valid integer"),
    (("run", "mine", "--workers", "0"), 2, "Invalid value for '--workers'"),
    (("confirm", "mine", "--report", "1"), 2, "Invalid value for '--report': 1 is not in the range 2<=x<=100"),
    (("resume",), 2, "Missing argument 'STUDY'"),
    (("submit",), 2, "Missing argument 'STUDY'"),
    (("enqueue", "mine"), 2, "Missing argument 'FIELD=VALUE...'"),
    (("enqueue", "mine", "hidden_size"), 2, "'hidden_size': must be FIELD=VALUE, as in hidden_size=128"),
    (("enqueue", "mine", "depth=2", "depth=3"), 2, "depth is given twice"),
    (("stop",), 2, "Missing argument 'STUDY'"),
    (("worker", "mine", "more"), 2, "Got unexpected extra argument (more)"),
    (("list", "mine"), 2, "Got unexpected extra argument (mine)"),
    (("status", "--watch", "--json"), 2, "--watch needs a terminal and goes without --json"),
    (("status", "--watch"), 2, "--watch needs a terminal"),
    (("evaluate",), 2, "Missing argument 'STUDY'"),
    (("export", "mine"), 2, "nothing to write: name it with -o, --weights or --trials"),
    (("export", "mine", "--onnx"), 2, "nothing to write: "),
    (("export", "mine", "-o", "best.toml", "--onnx"), 2, "--onnx needs -o FOLDER, a name without a suffix"),
    (("predict",), 2, "Missing argument 'EXPORT'"),
    (("predict", "best"), 2, "Missing argument 'FILES...'"),
    (("new", "none.csv", "--label", "a"), 1, "none.csv: No such file or directory"),
    (("new", "none.csv"), 1, "none.csv: No such file or directory"),
    (("check", "mien"), 1, "mien"),
    (("predict", "best", "x.png", "--top", "0"), 2, "Invalid value for '--top': 0 is not in the range x>=1"),
    (("report",), 2, "Missing argument 'STUDY'"),
    (("compare",), 2, "Missing argument 'STUDY STUDY...'"),
    (("train",), 2, "Missing argument 'EXPORT'"),
    (("delete",), 2, "Missing argument 'STUDY'"),
    (("gc", "mine"), 2, "Got unexpected extra argument (mine)"),
    (("dashboard", "--port", "70000"), 2, "Invalid value for '--port'"),
    (("serve", "--workers", "0"), 2, "Invalid value for '--workers'"),
    (("run", "mine", "--gpus-per-worker", "0.5"), 2, "--gpus-per-worker needs --ray ADDRESS"),
    (("run", "mine", "--ray", "auto", "--gpus-per-worker", "2"), 2, "Invalid value for '--gpus-per-worker'"),
    (("check-gradients", "--storage", "x"), 2, "No such option '--storage'"),
]
