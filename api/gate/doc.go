// Package gate is the contract of the GATE API, version 1, below /api/v1/: the shapes that the centre answers with.
// Every documented field is always present, null where there is nothing to say. Types, constants, their JSON and a Client over them;
// standard library only. See CHANGELOG.md beside it for each change.
//
// It must not know how the values are found or who may see them. Decoding fails with the errors of encoding/json.
// Entry points: User, AaaProfile, AcctRecord, TxLog, MyOrg, Place, DeviceReg, ConnSummary, PortalLogin, OffsetPage, CursorPage, Error, Time, ID.
package gate
