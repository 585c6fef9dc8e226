# anon-vma-degree-ambiguity (2555283eb40d): one counter for children and areas lets an anon_vma be reused twice.
mmap p0 0 1 rw
write p0 0
fork p0
exit p0
fork p0
fork p0
