# The second split of the source VMA fails, so the source stays mapped, in two parts. Neither part
# has VM_ACCOUNT any more, so the new VMA merges with neither. The judge found this.
mmap p0 5 4 rw
fail vma 3
mremap p0 7 1 0 1 fixed
mmap p0 6 1 rw
