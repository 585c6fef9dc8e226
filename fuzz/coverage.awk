#!/usr/bin/awk -f
# Reads lcov and prints for each file how many lines are reached, and which lines and functions are
# not. A generic function is reached if one of its instances is reached.

# Ends a run of lines that are not reached: adds it to `missed`.
function end_row() {
    if (first != "") missed = missed (missed == "" ? "" : ", ") (first == last ? first : first "-" last)
    first = ""
}

# Returns the first line of each function that is not reached, in ascending order, each after a
# blank.
function unreached(    line, sorted, n, i, text) {
    for (line in begins) {
        if (line in reached_at) continue
        for (i = n++; i > 0 && sorted[i] > line + 0; i--) sorted[i + 1] = sorted[i]
        sorted[i + 1] = line + 0
    }
    for (i = 1; i <= n; i++) text = text " " sorted[i]
    return text
}

/^SF:/ {
    file = substr($0, 4)
    if (index(file, root) == 1) file = substr(file, length(root) + 1)
    total = reached = 0
    missed = first = ""
    delete line_of
    delete begins
    delete reached_at
}
/^FN:/ { split(substr($0, 4), part, ","); line_of[part[2]] = part[1]; begins[part[1]] = 1 }
/^FNDA:/ { split(substr($0, 6), part, ","); if (part[1] > 0) reached_at[line_of[part[2]]] = 1 }
/^DA:/ {
    split(substr($0, 4), part, ",")
    total++
    if (part[2] > 0) { reached++; end_row() } else { if (first == "") first = part[1]; last = part[1] }
}
/^end_of_record/ {
    end_row()
    functions = unreached()
    printf "%-32s %5d of %5d  %s%s\n", file, reached, total, missed == "" ? "" : "not: " missed,
        functions == "" ? "" : "; whole functions at:" functions
}
