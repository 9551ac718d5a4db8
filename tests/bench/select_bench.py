#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""EESD against the lazy greedy of apricot or submodlib: same vectors, same objective, one pinned core, CPU seconds.

    select_bench.py [--crucible build/bin/crucible-select] [-n 20000] [-d 256] [-k 500] [--core 0]
                    [--venv build/bench-venv] [--data clustered|iid] [--peer apricot|submodlib|none] [--work DIR]

Clustered: 500 clusters. Independent vectors are close to the worst case of laziness.

Both maximise sum_i max(0, max_j cos(i, j)). apricot's own cosine is squared, which is another
objective, so both get max(0, X X^T) as a precomputed matrix; making that matrix counts as their work, for they
cannot do without. crucible reads its vectors from a .npy file and its documents from JSONL, and that
counts as well. Objectives are compared in float64 on the unquantised vectors. Times are CPU seconds (user + system) of
the whole process. The peer's compile time (numba) is taken out by a small run first.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

PEERS = ["numpy", "scikit-learn", "apricot-select==0.6.1", "submodlib-py==0.0.3"]

RUN = {"apricot": """
from apricot import FacilityLocationSelection
def run(x, k):
    s = np.maximum(x @ x.T, 0).astype(np.float64)
    return FacilityLocationSelection(k, metric='precomputed', optimizer='lazy').fit(s).ranking
""", "submodlib": """
from submodlib import FacilityLocationFunction
def run(x, k):
    f = FacilityLocationFunction(n=len(x), mode='dense', separate_rep=False, sijs=np.maximum(x @ x.T, 0))
    return [i for i, _ in f.maximize(budget=k, optimizer='LazyGreedy', stopIfZeroGain=False,
                                     stopIfNegativeGain=False, verbose=False, show_progress=False)]
"""}

PEER = """
import json, resource, sys, time
import numpy as np
%s
x = np.load(sys.argv[1])
run(x[:300], 10)
def cpu():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime
start, wall = cpu(), time.time()
picks = run(x, int(sys.argv[2]))
print(json.dumps({"cpu": cpu() - start, "wall": time.time() - wall,
    "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "picks": [int(p) for p in picks]}))
"""

MAKE = """
import json, sys
import numpy as np
path, n, d, data = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
r = np.random.default_rng(0)
x = r.standard_normal((n, d))
if data == 'clustered':
    x = r.standard_normal((500, d))[r.integers(0, 500, n)] + .6 * x
x /= np.linalg.norm(x, axis=1, keepdims=True)
np.save(path, x.astype(np.float32))
"""

VALUE = """
import json, sys
import numpy as np
x = np.load(sys.argv[1]).astype(np.float64)
for picks in json.load(sys.stdin):
    best = np.zeros(len(x))
    for at in range(0, len(picks), 64):
        best = np.maximum(best, (x @ x[picks[at:at + 64]].T).max(axis=1))
    print(best.mean())
"""


def timed(command, core, **options):
    """CPU seconds, wall seconds and peak MB of a child pinned to one core, and what it printed."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    wall = time.time()
    child = subprocess.Popen(["taskset", "-c", str(core)] + command, env=environment, stdout=subprocess.PIPE, **options)
    printed = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)  # of this child alone
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return used.ru_utime + used.ru_stime, time.time() - wall, used.ru_maxrss / 1024, printed


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--crucible", default="build/bin/crucible-select")
    p.add_argument("-n", type=int, default=20000)
    p.add_argument("-d", type=int, default=256)
    p.add_argument("-k", type=int, default=500)
    p.add_argument("--core", type=int, default=0)
    p.add_argument("--venv", default="build/bench-venv")
    p.add_argument("--data", choices=["clustered", "iid"], default="clustered")
    p.add_argument("--work", help="directory for the data, default a temporary one")
    p.add_argument("--peer", choices=["apricot", "submodlib", "none"], default="apricot")
    a = p.parse_args()
    python = os.path.join(a.venv, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", a.venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q"] + PEERS, check=True)
    with tempfile.TemporaryDirectory(dir=a.work) as work:
        matrix, documents = os.path.join(work, "x.npy"), os.path.join(work, "x.jsonl")
        output, stats = os.path.join(work, "out.jsonl"), os.path.join(work, "stats.json")
        subprocess.run([python, "-c", MAKE, matrix, str(a.n), str(a.d), a.data], check=True)
        with open(documents, "w") as f:
            for i in range(a.n):
                f.write('{"id":"%d","text":"%s"}\n' % (i, "x" * (1 + i % 997)))  # lengths for the strata
        common = [a.crucible, "-q", "-j", "1", "--embeddings", matrix, "--weights", "none", "--lambda", "0",
                  "--budget", str(a.k), "-o", output, "--stats", stats, documents]
        rows, picks = [], []
        # One stratum is what the peer does.
        for strata in (1, 8):
            cpu, wall, rss, _ = timed(common + ["--strata", str(strata)], a.core)
            with open(output) as f:
                chosen = [json.loads(line) for line in f]
            with open(stats) as f:
                s = json.load(f)
            assert len(chosen) == min(a.k, a.n)
            picks.append([int(c["id"]) for c in chosen])
            rows.append(["crucible, strata %d" % strata, cpu, wall, rss, s["evaluations"], s["certificate"]])
        if a.peer != "none":
            _, _, _, text = timed([python, "-c", PEER % RUN[a.peer], matrix, str(a.k)], a.core)
            peer = json.loads(text.decode().strip().splitlines()[-1])
            picks.append(peer["picks"])
            rows.append([a.peer + " lazy", peer["cpu"], peer["wall"], peer["rss"] / 1024, None, None])
        values = subprocess.run([python, "-c", VALUE, matrix], input=json.dumps(picks).encode(), check=True,
                                stdout=subprocess.PIPE).stdout.split()
    print("n = %d, d = %d, k = %d, %s, one core" % (a.n, a.d, a.k, a.data))
    print("%-20s %8s %8s %9s %11s %11s %12s" % ("", "cpu s", "wall s", "peak MB", "F / n", "evaluations",
                                               "certificate"))
    for row, value in zip(rows, values):
        print("%-20s %8.2f %8.2f %9.0f %11.5f %11s %12s" % (row[0], row[1], row[2], row[3], float(value),
              row[4] or "-", "%.3f" % row[5] if row[5] else "-"))
    if a.peer != "none":
        print("%s / crucible: %.1f in CPU seconds (one stratum), %.1f (8 strata); %.0f in memory" %
              (a.peer, rows[2][1] / rows[0][1], rows[2][1] / rows[1][1], rows[2][3] / rows[0][3]))


if __name__ == "__main__":
    main()
