# gup-pin-zero-page (mm: Don't pin ZERO_PAGE in pin_user_pages() (6.5)): a pin of the zero page is
# counted.
# The read-only pin of an untouched page faults in the zero page.
mmap p0 0 1 r
pin p0 0 r
