"""What ``make dist`` builds, used where it is meant to be used: hosts without Python and without a network."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from systemd_machine import BASE, _make_base, needs_machine

from kedoctor.yaml.document import load

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "tools" / "dist"
pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), needs_machine]

# A Debian as debootstrap makes it, changed in memory only and gone with the process; $1: what is mounted at /media.
BARE = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$BASE,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
mount -t proc proc /mnt/root/proc
mount --bind "$1" /mnt/root/media
exec chroot /mnt/root /bin/sh -ec "$2"
"""


def _bare(files: Path, script: str) -> str:
    """What a script prints in a bare Debian that has no Python and no network."""
    assert not list((BASE / "usr/bin").glob("python3*"))
    argv = [
        "unshare",
        "-n",
        "-m",
        "-p",
        "-f",
        "--propagation=private",
        "sh",
        "-c",
        BARE,
        "bare",
        files,
        script,
    ]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "BASE": str(BASE),
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
    }
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files for this machine's architecture."""
    _make_base()
    out = tmp_path_factory.mktemp("dist")
    reached = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", out / "probe", "mdurl"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    if reached.returncode:
        pytest.skip("no package registry is reached, from which wheels are taken")
    argv = [sys.executable, TOOLS / "make.py", "--out", out / "files", "--arch", platform.machine()]
    subprocess.run(argv, check=True, timeout=800, capture_output=True)
    yield out / "files"
    shutil.rmtree(out)


def _only(dist: Path, pattern: str) -> Path:
    (found,) = dist.glob(pattern)
    return found


TASKS = """
command -v python3 && exit 9
mkdir /opt/k && tar -C /opt/k --strip-components=1 -xzf /media/kedoctor-*-linux-*.tar.gz
ln -s /opt/k/bin/kubectl-kedoctor /usr/bin/kubectl-kedoctor
export KEDOCTOR_STATE_DIR=/tmp/state
kubectl-kedoctor --version
/opt/k/bin/kedoctor demo | grep -c 'KE202  edgeStream of edge1'
/opt/k/bin/kedoctor run -q >/tmp/run || echo "run ends with $?"
grep -c '^Cannot diagnose: no kubeconfig was found' /tmp/run
/opt/k/bin/kedoctor explain KE303 | grep -c 'KE303'
/opt/k/bin/kedoctor install --help | head -n 1
/opt/k/bin/kedoctor install edge --help | grep -c bundle
/opt/k/bin/kedoctor --lang zh list | grep -c KE202
/opt/k/bin/kedoctor report --html -o /tmp/r.html && grep -ci '<!doctype html>' /tmp/r.html
/opt/k/bin/kubectl_complete-kedoctor run --only KE202 | tail -n 1
find /opt/k -newer /media/SHA256SUMS -name '*.pyc' | wc -l
"""


def test_the_archive_runs_where_there_is_no_python_and_no_network(dist: Path) -> None:
    archive = _only(dist, "kedoctor-*-linux-*-glibc2.*.tar.gz")
    assert archive.stat().st_size < 45e6
    lines = _bare(dist, TASKS).splitlines()
    assert lines[0].startswith("kubectl kedoctor ")
    assert lines[1:4] == ["1", "run ends with 3", "1"]
    assert int(lines[4]) > 0
    assert lines[5].startswith("Usage: kedoctor install")
    assert int(lines[6]) > 0
    assert lines[7:] == ["1", "1", ":4", "0"]


def test_the_name_says_which_glibc_it_needs_and_no_file_needs_another(dist: Path) -> None:
    needed = _only(dist, "kedoctor-*-linux-*.tar.gz").name.partition("-glibc")[2].removesuffix(".tar.gz")
    have = platform.libc_ver()[1]
    assert [int(part) for part in needed.split(".")] <= [int(part) for part in have.split(".")]


DEB = """
dpkg -i /media/*.deb >/dev/null
kedoctor --version
kubectl-kedoctor version | head -n 1
ls /usr/share/man/man1/kedoctor.1.gz /usr/share/bash-completion/completions/kedoctor \
  /usr/share/zsh/vendor-completions/_kedoctor /usr/share/fish/vendor_completions.d/kedoctor.fish \
  /usr/lib/systemd/system/kedoctor-watch.service /usr/bin/kubectl_complete-kedoctor | wc -l
dpkg-query -W -f='${Depends}\n' kedoctor
bash -c '. /usr/share/bash-completion/completions/kedoctor
COMP_WORDS=(kedoctor run --only KE202); COMP_CWORD=3; _kedoctor_complete kedoctor; echo "${COMPREPLY[@]}"'
dpkg -V kedoctor
systemd-analyze verify --man=no /usr/lib/systemd/system/kedoctor-watch.service 2>&1 | grep kedoctor || true
dpkg -r kedoctor >/dev/null
ls -d /usr/lib/kedoctor /usr/bin/kedoctor 2>/dev/null || echo gone
"""


def test_the_deb_installs_works_and_goes_without_a_trace(dist: Path) -> None:
    lines = _bare(dist, DEB).splitlines()
    assert lines[0].startswith("kedoctor ")
    assert lines[2] == "6"
    assert lines[3].startswith("libc6 (>= 2.")
    assert lines[4:] == ["KE202", "gone"]


def test_the_rpm_says_the_same_to_its_own_tool(dist: Path) -> None:
    package = _only(dist, "*.rpm")

    def told(*words: str) -> list[str]:
        done = subprocess.run(["rpm", *words, package], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert any(line.startswith("glibc >= 2.") for line in told("-qp", "--requires"))
    files = told("-qpl")
    assert {"/usr/bin/kedoctor", "/usr/bin/kubectl-kedoctor", "/usr/share/man/man1/kedoctor.1.gz"} <= set(
        files
    )
    assert told("-K", "--nosignature")[0].endswith("digests OK")


def test_the_image_is_one_that_skopeo_takes_and_runs_without_a_shell(dist: Path, tmp_path: Path) -> None:
    image = _only(dist, "*.oci.tar")
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "-q", f"oci-archive:{image}", f"dir:{tmp_path}/copied"],
        check=True,
        capture_output=True,
    )
    manifest = json.loads((tmp_path / "copied/manifest.json").read_bytes())
    config = json.loads((tmp_path / "copied" / manifest["config"]["digest"].partition(":")[2]).read_bytes())
    (layer,) = manifest["layers"]
    root = tmp_path / "root"
    with tarfile.open(tmp_path / "copied" / layer["digest"].partition(":")[2]) as opened:
        opened.extractall(root, filter="tar")
    assert not (root / "bin/sh").exists()
    (root / "proc").mkdir()
    argv = ["unshare", "-n", "-m", "-p", "-f", "--propagation=private", "sh", "-c"]
    script = 'mount -t proc proc "$1/proc"; root=$1; shift; exec chroot --userspec=65532:65532 "$root" "$@"'
    done = subprocess.run(
        [*argv, script, "image", root, *config["config"]["Entrypoint"], "demo"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(pair.split("=", 1) for pair in config["config"]["Env"]) | {"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    assert "KE202" in done.stdout
    assert config["architecture"] in ("amd64", "arm64")


def test_the_manifest_for_krew_names_the_archive_by_its_digest(dist: Path) -> None:
    manifest = load((dist / "kedoctor.krew.yaml").read_text(encoding="utf-8")).data
    assert (manifest["apiVersion"], manifest["kind"]) == (
        "krew.googlecontainertools.github.com/v1alpha2",
        "Plugin",
    )
    (one,) = manifest["spec"]["platforms"]
    archive = dist / one["uri"].rpartition("/")[2]
    assert one["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    (rule,) = one["files"]
    with tarfile.open(archive) as opened:
        assert f"{rule['from'].removesuffix('*')}{one['bin']}" in opened.getnames()


def test_the_bill_of_materials_is_valid_and_whole(dist: Path) -> None:
    text = _only(dist, "*.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    named = {one["name"] for one in json.loads(text)["components"]}
    with tarfile.open(_only(dist, "kedoctor-*-linux-*.tar.gz")) as opened:
        infos = {Path(name).parent.name for name in opened.getnames() if name.endswith(".dist-info/METADATA")}
        libraries = {Path(name).name for name in opened.getnames() if "/python/lib/lib" in name}
    assert len([name for name in named if name not in libraries]) == len(infos)  # CPython for kedoctor itself
    assert {"CPython", "cryptography", "click"} | libraries <= named
    assert not {"kubernetes", "pytest"} & named


def test_the_checksums_are_those_of_sha256sum(dist: Path) -> None:
    told = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=dist, capture_output=True, text=True, check=True
    )
    assert len(told.stdout.splitlines()) == sum(path.is_file() for path in dist.rglob("*")) - 1


def test_pip_installs_from_the_wheelhouse_without_a_network(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(_only(dist, f"wheels-{platform.machine()}-*.tar.gz")) as opened:
        opened.extractall(tmp_path, filter="data")
    script = 'python3 -m venv "$1/env" && "$1/env/bin/pip" -q --disable-pip-version-check install --no-index --find-links "$1"/wheels-* kedoctor && "$1/env/bin/kedoctor" explain KE303'
    argv = ["unshare", "-n", "sh", "-ec", script.replace("python3", sys.executable, 1), "pip", tmp_path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "KE303" in done.stdout
    assert not done.stderr


def test_the_wheelhouse_of_the_other_architecture_is_for_it_alone(dist: Path, tmp_path: Path) -> None:
    other = next(one for one in ("x86_64", "aarch64") if one != platform.machine())
    program = (
        f"import sys; sys.path.insert(0, {str(TOOLS)!r})\nfrom pathlib import Path\nimport settings, wheels\n"
        f"wheels.wheelhouse(Path({str(_only(dist, 'kedoctor-*.whl'))!r}), Path(sys.argv[1]), settings.ARCHITECTURES[{other!r}])"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=300)
    names = [path.name for path in tmp_path.glob("*.whl")]
    assert any(name.startswith("cryptography-") for name in names)
    assert all(other in name or name.endswith("-none-any.whl") for name in names)


def test_a_python_in_an_archive_is_taken_as_it_is_without_what_is_never_used(
    dist: Path, tmp_path: Path
) -> None:
    with tarfile.open(_only(dist, "kedoctor-*-linux-*.tar.gz")) as opened:
        opened.extractall(tmp_path, filter="tar")
    (tree,) = tmp_path.glob("kedoctor-*")
    (library,) = tree.glob("python/lib/python3*")
    shutil.rmtree(library / "site-packages")
    (tree / "python/bin/python3").rename(tree / "python/bin/python3.11")
    (tree / "python/bin/python3").symlink_to("python3.11")  # as python-build-standalone has it
    (library / "test").mkdir()
    (library / "test" / "big.py").write_text("")
    with tarfile.open(tmp_path / "python.tar.gz", "w:gz", compresslevel=1) as packed:
        packed.add(tree / "python", "python")
    program = (
        f"import sys; sys.path.insert(0, {str(TOOLS)!r})\nfrom pathlib import Path\nimport python_tree\n"
        "python_tree.from_archive(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "python.tar.gz", tmp_path / "new"], check=True)
    assert not list((tmp_path / "new").glob("lib/*/test"))
    assert not (tmp_path / "new/bin/python3").is_symlink()
    told = subprocess.run(
        [tmp_path / "new/bin/python3", "-I", "-c", "import ctypes, hashlib, ssl, sys; print(sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(tmp_path / "new")
