# anon-vma-degree-ambiguity (2555283eb40d): one counter for children and VMAs lets an anon_vma be
# reused twice.
# The parent exits, and its child forks a grandchild, which reuses the parent's anon_vma. The
# grandchild forks too, and the new process reuses the anon_vma of the parent's child, although that
# child still uses it.
mmap p0 0 1 rw
write p0 0
fork p0
exit p0
fork p0
fork p0
