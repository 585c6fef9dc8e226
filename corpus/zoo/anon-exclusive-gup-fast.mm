# anon-exclusive-gup-fast (088b8aa537c2): PageAnonExclusive is cleared before pins are checked.
# The second migration fails because the page is pinned, but the page is no longer exclusive.
mmap p0 0 1 r
migrate p0 0 1 d0
pin p0 0 r
migrate p0 0 1 d0
