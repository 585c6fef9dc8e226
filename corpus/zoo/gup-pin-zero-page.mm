# gup-pin-zero-page (mm: Don't pin ZERO_PAGE in pin_user_pages() (6.5)): a pin counts on the zero page.
mmap p0 0 1 r
pin p0 0 r
