# Steps of a check, one after the other, and how long each took. For bash with `set -e`: source it, then `step NAME COMMAND…`.

most_s=2100 # 35 minutes
current=""
rows=()

row() { # SECONDS NAME REMARK
    local text
    printf -v text '%4d:%02d  %s%s' $(($1 / 60)) $(($1 % 60)) "$2" "${3:+  $3}"
    rows+=("$text")
}

step() { # NAME COMMAND…: run a command; its failure ends everything
    local began=$SECONDS
    current=$1
    shift
    printf '\n=== %s (after %s s)\n' "$current" "$SECONDS"
    current_began=$began
    "$@"
    row $((SECONDS - began)) "$current"
    current=""
}

table() { # at the end, however it comes
    local code=$?
    [ -z "$current" ] || row $((SECONDS - current_began)) "$current" "FAILED ($code)"
    printf '\n=== how long it took\n'
    [ ${#rows[@]} = 0 ] || printf '%s\n' "${rows[@]}"
    rows=()
    row "$SECONDS" "in all"
    printf '%s\n' "${rows[@]}"
    [ "$SECONDS" -le "$most_s" ] || echo "over the limit of $((most_s / 60)) minutes: make a step shorter"
    exit "$code"
}
trap table EXIT
