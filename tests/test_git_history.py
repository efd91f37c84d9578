"""The folder before and after a pull request, out of checkouts as actions/checkout makes them."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from runner.core.changes import Changes, PullRequest, Rename, Trees, changes_of, leads_nowhere
from runner.errors import InputError
from runner.git_history import Place, contents, locate, trees_from_git
from tests.github_api import Origin, git

FOLDER = PurePosixPath("db/migrations")
FIRST, SECOND, THIRD = (f"{FOLDER}/{name}.sql" for name in ("01_first", "02_second", "03_third"))


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Two migrations on `main`; the branch `feature` left it there, adds 03 and changes 02; `main` went on with 04."""
    origin = Origin(tmp_path / "origin")
    origin.commit({FIRST: "SELECT 1;", SECOND: "SELECT 2;", "README.md": "a shop"})
    origin.branch_off("feature")
    origin.commit({THIRD: "SELECT 3;"}, on="feature")
    origin.commit({SECOND: "SELECT 22;"}, on="feature")
    origin.commit({f"{FOLDER}/04_of_others.sql": "SELECT 4;"})
    return origin


@pytest.fixture
def pull(origin: Origin) -> PullRequest:
    return origin.pull("feature")


EXPECTED = Changes(added=("03_third.sql",), changed=("02_second.sql",), touched=("02_second.sql", "03_third.sql"))


def read(checkout: Path, pull: PullRequest, folder: PurePosixPath = FOLDER) -> Trees | None:
    return trees_from_git(pull, locate(checkout, folder))


def has_what_feature_did(trees: Trees | None) -> bool:
    assert trees
    assert "04_of_others.sql" in trees.base
    return changes_of(trees) == EXPECTED


@pytest.mark.parametrize("depth", [pytest.param(0, id="everything"), 2, 3])
def test_reads_github_s_trial_merge(depth: int, origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=depth)
    trees = read(checkout, pull)
    assert trees
    assert trees.merge_base == trees.base
    assert has_what_feature_did(trees)


def test_a_checkout_without_history_knows_nothing(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=1)
    assert read(checkout, pull) is None


def test_the_trial_merge_is_newer_than_the_event(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    stale = replace(pull, base_sha=origin.git("rev-parse", "main~1"))
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    assert has_what_feature_did(read(checkout, stale))


def test_reads_a_checkout_of_the_pull_request_itself(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", pull.head_sha)
    trees = read(checkout, pull)
    assert has_what_feature_did(trees)
    assert trees
    assert trees.merge_base.keys() == {"01_first.sql", "02_second.sql"}
    assert "04_of_others.sql" not in trees.head


def test_the_fetched_base_branch_is_newer_than_the_event(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    stale = replace(pull, base_sha=origin.git("rev-parse", "main~1"))
    checkout = origin.checkout(tmp_path / "checkout", pull.head_sha)
    assert has_what_feature_did(read(checkout, stale))


def test_a_fork_s_own_main_is_not_the_base_branch(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", pull.head_sha)
    git(checkout, "update-ref", "refs/remotes/origin/main", origin.git("rev-parse", "main~1"))
    assert has_what_feature_did(read(checkout, pull))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_short_history_of_the_pull_request_itself_is_not_enough(
    depth: int, origin: Origin, pull: PullRequest, tmp_path: Path
) -> None:
    checkout = origin.checkout(tmp_path / "checkout", pull.head_sha, depth=depth)
    assert read(checkout, pull) is None


def test_a_branch_that_ends_in_a_merge_of_main_is_no_trial_merge(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "feature")
    origin.git("merge", "--quiet", "--message", "catch up", "main")
    origin.git("switch", "--quiet", "main")
    checkout = origin.checkout(tmp_path / "checkout", "feature")
    assert has_what_feature_did(read(checkout, origin.pull("feature")))


def test_commits_made_on_top_of_the_pull_request_count(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", pull.head_sha)
    (checkout / FOLDER / "05_generated.sql").write_text("SELECT 5;")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "generated")
    trees = read(checkout, pull)
    assert trees
    assert changes_of(trees).added == ("03_third.sql", "05_generated.sql")


def test_the_base_branch_alone_says_nothing_of_the_pull_request(
    origin: Origin, pull: PullRequest, tmp_path: Path
) -> None:
    """What actions/checkout gives for `pull_request_target`."""
    checkout = origin.checkout(tmp_path / "checkout", "main")
    assert read(checkout, replace(pull, merge_sha="")) is None


def test_finds_renamed_and_deleted_files(origin: Origin, tmp_path: Path) -> None:
    origin.branch_off("tidy")
    origin.commit({FIRST: None, f"{FOLDER}/01_better_name.sql": "SELECT 1;", SECOND: None}, on="tidy")
    pull = origin.pull("tidy", number=8)
    trees = read(origin.checkout(tmp_path / "checkout", "refs/pull/8/merge", depth=2), pull)
    assert trees
    changes = changes_of(trees)
    assert changes.renamed == (Rename("01_first.sql", "01_better_name.sql"),)
    assert changes.deleted == ("02_second.sql",)


@pytest.mark.parametrize("filtered", ["blob:none", "blob:limit=1"])
def test_a_partial_clone_is_enough(filtered: str, origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    """What `sparse-checkout` of actions/checkout makes: the files' contents are not needed."""
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2, filtered=filtered)
    git(checkout, "sparse-checkout", "set", "db")
    assert has_what_feature_did(read(checkout, pull))


def test_a_partial_clone_without_trees_knows_nothing(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2, filtered="tree:0")
    assert read(checkout, pull) is None


def pack(checkout: Path) -> Path:
    git(checkout, "branch", "local")
    git(checkout, "switch", "--quiet", "local")
    git(checkout, "pack-refs", "--all")
    git(checkout, "repack", "-q", "-a", "-d", "--write-bitmap-index")
    git(checkout, "commit-graph", "write", "--reachable")
    return checkout


def borrow(checkout: Path) -> Path:
    other = checkout.with_name("borrowed")
    git(checkout.parent, "clone", "--quiet", "--shared", "--no-checkout", str(checkout), str(other))
    git(other, "checkout", "--quiet", "--detach", git(checkout, "rev-parse", "HEAD"))
    return other


def as_worktree(checkout: Path) -> Path:
    other = checkout.with_name("worktree")
    git(checkout, "worktree", "add", "--quiet", "--detach", str(other), "HEAD")
    assert (other / ".git").is_file()
    return other


@pytest.mark.parametrize("made", [pack, borrow, as_worktree])
@pytest.mark.parametrize("ref", ["refs/pull/7/merge", "feature"])
def test_reads_every_kind_of_repository(
    made: Callable[[Path], Path], ref: str, origin: Origin, pull: PullRequest, tmp_path: Path
) -> None:
    checkout = origin.checkout(tmp_path / "checkout", ref)
    if made is borrow:  # a clone takes no remote branches along
        git(checkout, "update-ref", "refs/heads/kept", git(checkout, "rev-parse", "origin/main"))
    assert has_what_feature_did(read(made(checkout), pull))


def no_git(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")


def lost_worktree(checkout: Path) -> None:
    no_git(checkout)
    (checkout / ".git").write_text("gitdir: /home/runner/work/elsewhere/.git/worktrees/x\n")


def broken_config(checkout: Path) -> None:
    (checkout / ".git/config").write_text("[core\n")


def future_format(checkout: Path) -> None:
    git(checkout, "config", "core.repositoryformatversion", "2")


def unknown_extension(checkout: Path) -> None:
    git(checkout, "config", "core.repositoryformatversion", "1")
    (checkout / ".git/config").open("a").write("[extensions]\n\tteleport = true\n")


def missing_head(checkout: Path) -> None:
    (checkout / ".git/HEAD").write_text("ref: refs/heads/unborn\n")


def missing_objects(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git/objects/pack")


def damaged_pack(checkout: Path) -> None:
    for place in (checkout / ".git/objects").rglob("*"):
        if place.is_file():
            place.chmod(0o600)
            place.write_bytes(b"\0" * place.stat().st_size)


@pytest.mark.parametrize(
    "harm",
    [
        no_git,
        lost_worktree,
        broken_config,
        future_format,
        unknown_extension,
        missing_head,
        missing_objects,
        damaged_pack,
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of a file that the library leaves open when it fails
def test_a_repository_that_cannot_be_read_knows_nothing(
    harm: Callable[[Path], None], origin: Origin, pull: PullRequest, tmp_path: Path
) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge")
    git(checkout, "repack", "-q", "-a", "-d")
    harm(checkout)
    assert read(checkout, pull) is None


def test_a_repository_with_other_digests_is_read_too(tmp_path: Path) -> None:
    origin = Origin(tmp_path / "origin", "--object-format=sha256")
    origin.commit({FIRST: "SELECT 1;"})
    origin.branch_off("feature")
    origin.commit({SECOND: "SELECT 2;"}, on="feature")
    pull = origin.pull("feature")
    git(origin.path, "checkout", "--quiet", "--detach", pull.merge_sha)
    trees = read(origin.path, pull)
    assert trees
    assert changes_of(trees).added == ("02_second.sql",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_checkout_of_another_user_is_read(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    for place in (checkout, *checkout.rglob("*")):
        os.chown(place, 1001, 1001)
    assert has_what_feature_did(read(checkout, pull))


def test_nobody_s_settings_are_read(
    origin: Origin, pull: PullRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    (tmp_path / ".gitconfig").write_text("[core\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert has_what_feature_did(read(checkout, pull))


@pytest.mark.parametrize("folder", ["db/migrations", "./db/migrations/", "db/../db/./migrations", "x/../db/migrations"])
def test_a_folder_may_be_written_in_many_ways(folder: str, origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    place = locate(checkout, PurePosixPath(folder))
    assert place == Place(root=checkout, folder=FOLDER, real=FOLDER, shown=FOLDER)
    assert has_what_feature_did(trees_from_git(pull, place))


def test_a_folder_may_be_given_whole(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert locate(tmp_path, PurePosixPath(tmp_path / FOLDER)).folder == FOLDER


def test_the_folder_may_be_the_root(tmp_path: Path) -> None:
    origin = Origin(tmp_path / "origin")
    origin.commit({"01_first.sql": "SELECT 1;"})
    origin.branch_off("feature")
    origin.commit({"02_second.sql": "SELECT 2;", "docs/page.sql": "SELECT 0;"}, on="feature")
    pull = origin.pull("feature")
    trees = read(origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2), pull, PurePosixPath("."))
    assert trees
    assert trees.base.keys() == {"01_first.sql"}
    assert changes_of(trees).added == ("02_second.sql",)


def test_a_folder_that_is_a_link_is_followed(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    (checkout / "migrations").symlink_to("db/migrations")
    place = locate(checkout, PurePosixPath("migrations"))
    assert (place.folder, place.real, place.shown) == (PurePosixPath("migrations"), FOLDER, PurePosixPath("migrations"))
    assert has_what_feature_did(trees_from_git(pull, place))


def test_a_checkout_in_a_folder_of_the_workspace_is_found(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    """What `path: shop` of actions/checkout makes."""
    origin.checkout(tmp_path / "workspace/shop", "refs/pull/7/merge", depth=2)
    place = locate(tmp_path / "workspace", "shop" / FOLDER)
    assert (place.folder, place.shown) == (FOLDER, "shop" / FOLDER)
    assert has_what_feature_did(trees_from_git(pull, place))


@pytest.mark.parametrize("folder", ["../elsewhere", "/srv/migrations", "db/../../elsewhere"])
def test_a_folder_outside_of_the_checkout_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not in the checkout"):
        locate(tmp_path, PurePosixPath(folder))


def test_a_link_out_of_the_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout/migrations").symlink_to(tmp_path)
    with pytest.raises(InputError, match="not in the checkout"):
        locate(tmp_path / "checkout", PurePosixPath("migrations"))


def test_a_folder_that_git_does_not_have_is_empty(origin: Origin, pull: PullRequest, tmp_path: Path) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    for folder in ("generated", "README.md", "README.md/x"):
        assert read(checkout, pull, PurePosixPath(folder)) == Trees(merge_base={}, base={}, head={})


def test_a_submodule_s_folder_is_none_of_the_repository(origin: Origin, tmp_path: Path) -> None:
    library = Origin(tmp_path / "library")
    library.commit({"migrations/01_first.sql": "SELECT 1;"})
    origin.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.path.as_uri(), "library")
    origin.commit()
    origin.branch_off("bump")
    origin.commit({"x": "y"}, on="bump")
    pull = origin.pull("bump", number=9)
    origin.git("checkout", "--quiet", "--detach", pull.merge_sha)
    place = locate(origin.path, PurePosixPath("library/migrations"))
    assert place.root == origin.path
    assert trees_from_git(pull, place) == Trees(merge_base={}, base={}, head={})


LINKS: dict[str, str | Path] = {
    "shared/b.sql": "SELECT 2;",
    "shared/again.sql": Path("b.sql"),
    f"{FOLDER}/02_direct.sql": Path("../../shared/b.sql"),
    f"{FOLDER}/03_chain.sql": Path("../../shared/again.sql"),
    f"{FOLDER}/04_through_a_folder.sql": Path("../elsewhere/./b.sql"),
    "db/elsewhere": Path("../shared"),
    f"{FOLDER}/05_beside.sql": Path("02_direct.sql"),
}


def test_a_link_has_the_content_of_its_file(origin: Origin, tmp_path: Path) -> None:
    origin.commit(LINKS)
    origin.branch_off("sly")
    origin.commit({"shared/b.sql": "SELECT 3;"}, on="sly")
    pull = origin.pull("sly", number=8)
    trees = read(origin.checkout(tmp_path / "checkout", "refs/pull/8/merge", depth=2), pull)
    assert trees
    assert changes_of(trees).changed == (
        "02_direct.sql",
        "03_chain.sql",
        "04_through_a_folder.sql",
        "05_beside.sql",
    )
    assert trees.head["02_direct.sql"] == origin.git("rev-parse", "sly:shared/b.sql")


def test_a_file_that_becomes_a_link_to_the_same_content_is_not_changed(origin: Origin, tmp_path: Path) -> None:
    origin.branch_off("share")
    origin.commit({"shared/a.sql": "SELECT 1;", FIRST: Path("../../shared/a.sql")}, on="share")
    pull = origin.pull("share", number=8)
    trees = read(origin.checkout(tmp_path / "checkout", "refs/pull/8/merge", depth=2), pull)
    assert trees
    assert changes_of(trees) == Changes()


@pytest.mark.parametrize(
    "target", ["/etc/hostname", "../../../x.sql", "../../nowhere.sql", "..", "05_x.sql", "02_second.sql/x", "../../.."]
)
def test_a_link_that_leads_to_no_file_of_the_repository_is_known(target: str, origin: Origin, tmp_path: Path) -> None:
    origin.branch_off("odd")
    origin.commit({f"{FOLDER}/05_x.sql": Path(target)}, on="odd")
    trees = read(origin.checkout(tmp_path / "checkout", "odd"), origin.pull("odd", number=8))
    assert trees
    assert leads_nowhere(trees.head["05_x.sql"])


def test_a_partial_clone_without_the_target_of_a_link_knows_nothing(origin: Origin, tmp_path: Path) -> None:
    origin.commit(LINKS)
    origin.branch_off("turn")
    origin.commit({f"{FOLDER}/02_direct.sql": Path("../migrations/01_first.sql")}, on="turn")
    pull = origin.pull("turn", number=8)
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/8/merge", depth=2, filtered="blob:none")
    assert read(checkout, pull) is None


def moved(origin: Origin) -> Origin:
    """The branch `moved` moves the folder, leaves a link in its place, and edits a file."""
    origin.branch_off("moved")
    origin.git("switch", "--quiet", "moved")
    origin.git("mv", str(FOLDER), "sql")
    (origin.path / "db").mkdir(exist_ok=True)
    origin.commit({str(FOLDER): Path("../sql"), "sql/02_second.sql": "SELECT 22;"}, on="moved")
    return origin


def test_a_folder_that_moves_behind_a_link_is_the_same_folder(origin: Origin, tmp_path: Path) -> None:
    pull = moved(origin).pull("moved", number=8)
    checkout = origin.checkout(tmp_path / "workspace/shop", "refs/pull/8/merge", depth=2)
    assert locate(checkout, FOLDER) == Place(root=checkout, folder=FOLDER, real=PurePosixPath("sql"), shown=FOLDER)
    for top, folder in ((checkout, FOLDER), (tmp_path / "workspace", "shop" / FOLDER)):
        trees = read(top, pull, folder)
        assert trees
        assert changes_of(trees) == Changes(changed=("02_second.sql",), touched=("02_second.sql",))


def test_a_link_from_outside_of_the_repository_is_followed_into_it(
    origin: Origin, pull: PullRequest, tmp_path: Path
) -> None:
    origin.checkout(tmp_path / "workspace/shop", "refs/pull/7/merge", depth=2)
    (tmp_path / "workspace/data").symlink_to("shop/db")
    place = locate(tmp_path / "workspace", PurePosixPath("data/migrations"))
    assert (place.folder, place.shown) == (FOLDER, PurePosixPath("data/migrations"))
    assert has_what_feature_did(trees_from_git(pull, place))


def test_a_defect_of_ours_is_not_taken_for_a_lack_of_history(
    origin: Origin, pull: PullRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = origin.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=2)
    monkeypatch.setattr("runner.git_history.files_of", lambda: None)
    with pytest.raises(TypeError):
        read(checkout, pull)


@pytest.mark.parametrize("text", [b"SELECT 1;\n", b"SELECT 1;\r\n", b"\xef\xbb\xbfSELECT 1;\r\n"])
@pytest.mark.parametrize("digests", ["sha1", "sha256"])
def test_a_file_is_what_git_has_whatever_its_line_ends(text: bytes, digests: str, tmp_path: Path) -> None:
    origin = Origin(tmp_path / "origin", f"--object-format={digests}")
    (tmp_path / "01_a.sql").write_bytes(text)
    for stored in (text, b"SELECT 1;\n"):
        (origin.path / "stored").write_bytes(stored)
        content = origin.git("hash-object", "stored")
        assert content in contents(tmp_path, {"01_a.sql": content})["01_a.sql"]
    (origin.path / "stored").write_text("SELECT 2;\n")
    content = origin.git("hash-object", "stored")
    assert content not in contents(tmp_path, {"01_a.sql": content})["01_a.sql"]


def test_a_file_of_git_lfs_is_known_by_its_pointer(tmp_path: Path) -> None:
    origin = Origin(tmp_path / "origin")
    (tmp_path / "01_a.sql").write_text("SELECT 1;\n")
    oid = hashlib.sha256(b"SELECT 1;\n").hexdigest()
    (origin.path / "pointer").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 10\n")
    content = origin.git("hash-object", "pointer")
    assert content in contents(tmp_path, {"01_a.sql": content})["01_a.sql"]


def test_what_is_no_file_has_no_content(tmp_path: Path) -> None:
    (tmp_path / "01_folder.sql").mkdir()
    (tmp_path / "02_loop.sql").symlink_to("02_loop.sql")
    (tmp_path / "03_device.sql").symlink_to("/dev/zero")
    (tmp_path / "04_gone.sql").write_text("x")
    wanted = {"01_folder.sql": "0" * 40, "02_loop.sql": "0" * 40, "03_device.sql": "0" * 40, "04_gone.sql": ""}
    assert contents(tmp_path, wanted | {"05_x.sql": "0" * 40}) == dict.fromkeys(wanted, frozenset())
    assert contents(tmp_path / "nowhere", wanted) == {}
