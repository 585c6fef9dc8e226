# The second split of the source fails: it stays, in two parts, and neither has VM_ACCOUNT any more. So the new area merges
# with neither. The judge found this.
mmap p0 5 4 rw
fail vma 3
mremap p0 7 1 0 1 fixed
mmap p0 6 1 rw
