#!/bin/sh
# Writes build/lambda/go.mod, with which the functions are built: go.mod, but for a gojsonschema that does not word its
# errors. It would by text/template, which calls methods by name; for that the linker keeps every exported method of every
# type in sight, the S3 client's 100 operations among them, 7 MB a function. Nobody here asks for these words: package
# schemas has its own.
#
# The copy is of the module that go.sum has verified. Each file takes its place at once and is the same whoever writes it,
# so that several may build at the same time.
#
# modfile.sh name FILE: names the copy in a CycloneDX file as what it is a copy of, which lists of vulnerabilities know.
set -eu

cd "$(dirname "$0")/../.."
go=${GO:-go}
module=github.com/xeipuuv/gojsonschema
copy=build/lambda/gojsonschema
if [ "${1:-}" = name ]; then
	version=$("$go" list -m -f '{{.Version}}' "$module")
	sed -e "s|\./$copy@(devel)|$module@$version|" -e "/\"name\": \"\.\/build\/lambda\/gojsonschema\"/{
		s|\./$copy|$module|
		n
		s|(devel)|$version|
	}" "$2" >"$2.new"
	mv "$2.new" "$2"
	exit
fi

"$go" mod download "$module"
from=$("$go" list -m -f '{{.Dir}}' "$module")
mkdir -p "$copy"
new=$(mktemp -d build/lambda/new-XXXXXX)
trap 'rm -rf "$new"' EXIT
trap exit INT TERM

cp "$from"/*.go "$from/go.mod" "$from"/LICENSE* "$new"
rm "$new"/*_test.go
chmod u+w "$new"/*
{
	sed -e '/^import (/,/^)/d' -e '/^var errorTemplates/,/^}/d' -e '/^func formatErrorDescription/,$d' "$from/errors.go"
	echo 'func formatErrorDescription(s string, _ ErrorDetails) string { return s }'
} >"$new/errors.go"
sed -e '/"text\/template"/d' -e '/ErrorTemplateFuncs/d' "$from/schema.go" >"$new/schema.go"
for file in "$new"/*; do
	mv "$file" "$copy/"
done

cp go.mod go.sum "$new"
"$go" mod edit -replace "$module=./$copy" "$new/go.mod"
mv "$new/go.sum" "$new/go.mod" build/lambda/
