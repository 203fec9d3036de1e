package main

const usage = `usage:
  gatehouse-central migrate      --database URL
  gatehouse-central serve        --database URL --listen ADDR [--tls-cert FILE --tls-key FILE] [--metrics ADDR]
                                 [--drain TIME] [--trusted-proxies CIDR,CIDR] [--read-database URL] [--spool FILE]
                                 [--secrets-key FILE] [--integer-ids] [--legacy-user-token] [--verbose]
                                 [--radius ADDR] [--radsec ADDR --radsec-cert FILE --radsec-key FILE --radsec-ca FILE]
                                 [--private-networks CIDR,CIDR] [--acme-ca FILE] [--dns-resolvers ADDR:PORT,...]
                                 [--public-url URL]
  gatehouse-central org create   --database URL --short-name NAME --name TEXT [--parent NAME]
  gatehouse-central org list     --database URL
  gatehouse-central org update   --database URL --short-name NAME [--name TEXT] [--active true|false] [--max-users N] ...
                                 (all settings: docs/centre.md)
  gatehouse-central token create --database URL --org NAME --role admin|staff|readonly|edge|portal [--name TEXT]
                                 [--description TEXT] [--expires TIME|DATE] [--networks CIDR,CIDR]
  gatehouse-central token list   --database URL [--org NAME]
  gatehouse-central token revoke --database URL --id N
  gatehouse-central token rotate --database URL --id N [--overlap TIME]
  gatehouse-central gateway list   --database URL [--org NAME]
  gatehouse-central gateway claim  --database URL --org NAME --code CODE | --nas-identifier NAME  [--name TEXT]
  gatehouse-central gateway revoke --database URL --org NAME --nas-identifier NAME
  gatehouse-central user role    --database URL --org NAME --username NAME --role admin|staff|readonly|user
  gatehouse-central radius-client add    --database URL --org NAME --name TEXT [--network CIDR [--secret-file FILE]]
                                 [--secrets-key FILE] [--certificate NAME] [--nas-identifier TEXT] [--quirks swap_octets,own_clock,session_id_only]
  gatehouse-central radius-client list   --database URL [--org NAME]
  gatehouse-central radius-client remove --database URL --org NAME --id N
  gatehouse-central audit verify --database URL [--org NAME]
  gatehouse-central audit list   --database URL [--org NAME] [--user ID] [--object KIND] [--object-id ID] [--limit N]
  gatehouse-central plan create  --database URL --org NAME --name TEXT [--time TIME [--elapsed]] [--data AMOUNT] [--rate-up RATE]
                                 [--rate-down RATE] [--devices N] [--idle TIME] [--valid TIME] [--until DATE] [--price TEXT]
                                 [--zones NAME,NAME] [--extendable]
  gatehouse-central plan list    --database URL --org NAME
  gatehouse-central voucher create --database URL --org NAME --plan NAME [--quantity N] [--note TEXT] [--secrets-key FILE]
  gatehouse-central voucher list   --database URL --org NAME [--state STATE] [--batch N]
  gatehouse-central voucher revoke --database URL --org NAME --code CODE | --batch N
  gatehouse-central voucher export --database URL --org NAME --batch N [--format csv|pdf] [--link URL] [--to FILE] [--secrets-key FILE]
  gatehouse-central import users --database URL --org NAME [--continue] [--existing error|skip|update] [--dry-run]
                                 [--map COLUMN=FIELD]... [--report FILE] FILE
  gatehouse-central import vouchers --database URL --org NAME --plan NAME [--note TEXT] [--secrets-key FILE] [as import users] FILE
  gatehouse-central export users --database URL --org NAME [--format csv|ndjson] [--to FILE]
  gatehouse-central export accounting|transactions --database URL --org NAME [--from DAY] [--until DAY]
                                 [--format csv|ndjson] [--to FILE]
  gatehouse-central person export|erase --database URL --org NAME --user NAME|NUMBER
  gatehouse-central backup       --database URL --to FILE
  gatehouse-central restore      --database URL --from FILE
  gatehouse-central version
URL is sqlite:///absolute/path.db or postgres://user:password@host:port/name
`
