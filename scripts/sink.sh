#!/bin/sh
# SPDX-License-Identifier: MIT
# For the demonstration: a scratch folder $dir and a sink of ours on $port, both gone at the end.
dir=$(mktemp -d)
sink=
trap 'stop_sink; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# Options are the sink's. It opens its port file when it listens.
start_sink()
{
	build/bulkmail sink --listen 127.0.0.1:0 --port-file "$dir/port" "$@" >"$dir/sink.log" 2>&1 &
	sink=$!
	until [ -s "$dir/port" ]; do
		if ! kill -0 "$sink" 2>/dev/null; then
			cat "$dir/sink.log" >&2
			echo "the sink did not start" >&2
			sink=
			exit 1
		fi
	done
	read -r port <"$dir/port"
}

stop_sink()
{
	[ -n "$sink" ] || return 0
	kill "$sink" 2>/dev/null || true
	wait "$sink" || true
	sink=
}

# Neighbours of the same domain, as a list sorted by domain has them.
make_list()
{
	awk -v n="$1" 'BEGIN {
		split("example.org example.com example.net mail.example", domain)
		for (i = 0; i < n; i++)
			printf "\"Reader %d\" <reader%d@%s>\n", i + 1, i + 1, domain[int(i * 4 / n) + 1]
	}'
}
