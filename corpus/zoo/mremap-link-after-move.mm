# mremap-link-after-move (order rule of copy_vma): the copy of a VMA is linked to the anon_vmas only
# after the entries have moved there.
# The thread is preempted between the two, when no rmap walk can find the page.
threads 2
preempt 4 t1
mmap p0 0 1 rw
write p0 0
mremap p0 0 1 8 1 fixed
t1: read p0 8
