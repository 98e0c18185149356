use super::*;

#[test]
fn a_request_says_which_conflicts_exactly_once_and_whose_version() {
    let asked = |ids: &[i64], table: Option<&str>, all: bool, take: Option<Side>| {
        read(&ResolveRequest {
            ids: ids.to_vec(),
            table: table.map(str::to_owned),
            all,
            take,
            dry_run: false,
        })
    };
    let server = Some(Side::Server);
    assert_eq!(
        asked(&[7], None, false, server),
        Ok((Which::These(vec![7]), Side::Server))
    );
    let table = Which::OfTable("t".to_owned());
    assert_eq!(asked(&[], Some("t"), false, server), Ok((table, Side::Server)));
    assert_eq!(asked(&[], None, true, server), Ok((Which::All, Side::Server)));
    for wrong in [
        asked(&[], None, false, server),
        asked(&[7], None, true, server),
        asked(&[7], Some("t"), false, server),
        asked(&[], Some("t"), true, server),
        asked(&[7], None, false, None),
    ] {
        assert_eq!(wrong.unwrap_err().code, ErrorCode::BadRequest);
    }
}
