# Reclaim split a large folio whose pages an mlocked VMA maps in part: the munlock of one page took
# the folio's flag. The split clears each entry, writes a migration entry, and maps the page again.
# An oracle mistook the clear for a page that reclaim dropped.
thp always
mmap p0 0 8 rw
mlock p0 0 8 on
fork p0
mmap p0 1 1 none
reclaim p0 0
