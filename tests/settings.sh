#!/bin/sh
# docs/settings.md is what the programs' tables say.
# usage: tests/settings.sh AVROGATE [--write]
avrogate=$1
made=$(mktemp)
trap 'rm -f "$made"' EXIT
{
    echo "# Settings"
    echo
    echo "A flag wins over the environment, that over the file (\`-c FILE\`, YAML), that over the default. A value in the file may be \`\${NAME}\` or"
    echo "\`\${NAME:-text}\` (environment) or \`file:PATH\`. Secrets have no flag. Below \`kafka\` any librdkafka property passes through:"
    echo "\`kafka: {security.protocol: ssl}\` in the file, \`--kafka security.protocol=ssl\`, \`AVROGATE_KAFKA_SECURITY_PROTOCOL\`. Unknown keys and"
    echo "wrong values stop the start. This page is made by \`tests/settings.sh build/avrogate --write\`."
    for command in registry gateway load stage aggregate produce audit dlq dev; do
        echo
        "$avrogate" "$command" --settings || exit 1
    done
} >"$made"
[ "$2" = --write ] && cp "$made" docs/settings.md
diff docs/settings.md "$made" || { echo "docs/settings.md is not what the programs say: tests/settings.sh $avrogate --write"; exit 1; }
