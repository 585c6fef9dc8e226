# mremap moves a range whose second page is a gap. The gap arrives at a page that is mapped, and
# that page stays as it was. The reference model had noted MADV_DONTFORK for the gap, too, and moved
# this note to the page.
mremap p0 2 2 0 2 fixed
dontfork p0 0 2 on
mmap p0 0 1 none
mmap p0 4 1 none
mremap p0 0 2 3 2 fixed
fork p0
