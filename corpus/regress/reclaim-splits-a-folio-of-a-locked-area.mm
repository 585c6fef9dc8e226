# Reclaim splits a large folio whose pages an mlocked VMA maps in part: the munlock of one page took
# the folio's flag. The entries become migration entries and then mappings again. An oracle took the
# clear before the migration entry for a page that reclaim took.
thp always
mmap p0 0 8 rw
mlock p0 0 8 on
fork p0
mmap p0 1 1 none
reclaim p0 0
