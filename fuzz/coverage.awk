#!/usr/bin/awk -f
# Reads lcov: prints for each file how many lines are reached, and which lines and functions are not.
function flush_run() {
    if (first != "") missed = missed (missed == "" ? "" : ", ") (first == last ? first : first "-" last)
    first = ""
}
/^SF:/ { file = substr($0, 4); sub(root, "", file); total = reached = 0; missed = first = ""; functions = "" }
/^FN:/ { split(substr($0, 4), part, ","); place[part[2]] = part[1] }
/^FNDA:0,/ { name = substr($0, 8); if (!(place[name] in seen_line) && !(place[name] in hit)) unreached[place[name]] = name }
/^FNDA:[1-9]/ { split(substr($0, 6), part, ","); hit[place[part[2]]] = 1; delete unreached[place[part[2]]] }
/^DA:/ {
    split(substr($0, 4), part, ",")
    total++
    if (part[2] > 0) { reached++; flush_run() } else { if (first == "") first = part[1]; last = part[1] }
}
/^end_of_record/ {
    flush_run()
    for (line in unreached) functions = functions " " line
    printf "%-32s %5d of %5d  %s%s\n", file, reached, total, missed == "" ? "" : "not: " missed,
        functions == "" ? "" : "; whole functions at:" functions
    delete unreached; delete hit; delete place
}
