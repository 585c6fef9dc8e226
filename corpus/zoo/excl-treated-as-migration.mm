# excl-treated-as-migration (7b2e497a42cd): the walk that restores migration entries also restores
# device-exclusive ones.
# The pin makes compaction fail. The walk that undoes the compaction counts the mapping a second
# time.
mmap p0 0 1 rw
pin p0 0 w
exclusive d0 p0 0 1
compact p0 0
