package wire

import "strconv"

// FamilySession is the only family that the gate reads; all others belong to
// applications and pass through.
const FamilySession uint16 = 0

// Commands of family 0: the command in the high byte, no sub-command. Their
// bodies are the protobuf messages of schemas/session.proto.
const (
	CmdLogin     uint16 = 0x0100 // request of the device: Login, answered by Welcome
	CmdResume    uint16 = 0x0200 // request of the device: Resume, answered by Welcome
	CmdResumed   uint16 = 0x0300 // push of the gate, with a position: Resumed
	CmdHeartbeat uint16 = 0x0400 // request of the device: Heartbeat, answered by nothing
	CmdAck       uint16 = 0x0500 // ack of the device: AckBody
	CmdOpened    uint16 = 0x0600 // request of the device: OpenedReport, answered by nothing
	CmdLogout    uint16 = 0x0700 // request of the device: Logout, answered by nothing
	CmdClose     uint16 = 0x0800 // push of the gate: Close; its last frame
	CmdRedirect  uint16 = 0x0900 // push of the gate: Redirect
	CmdError     uint16 = 0x0a00 // push of the gate: Error
)

// A number is never used for another command again. 0x0b00 and above are free;
// a gate answers them with the status unknown_command, a device ignores them.

// SessionCommand is the word of a command of family 0: "login".
func SessionCommand(command uint16) string {
	switch command {
	case CmdLogin:
		return "login"
	case CmdResume:
		return "resume"
	case CmdResumed:
		return "resumed"
	case CmdHeartbeat:
		return "heartbeat"
	case CmdAck:
		return "ack"
	case CmdOpened:
		return "opened"
	case CmdLogout:
		return "logout"
	case CmdClose:
		return "close"
	case CmdRedirect:
		return "redirect"
	case CmdError:
		return "error"
	}
	return "command_" + strconv.Itoa(int(command>>8)) + "." + strconv.Itoa(int(command&0xff))
}
