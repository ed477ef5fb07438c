"""Earlier commits of this tree, each in a worktree of its own under build/bench."""
import os
import subprocess
import sys

from instance import BUILD, ROOT


def tree_of(rev, target):
    """The worktree of `rev`, in which make has made `target`."""
    path = os.path.join(BUILD, "beside", rev)
    if not os.path.isdir(path):
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "-q", "--detach", path, rev], check=True)
    subprocess.run(["make", "-s", "-C", path, "-j2", target], check=True, stdout=sys.stderr)
    return path
