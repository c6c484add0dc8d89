/** The error class, its codes, and what native errors become. */
import { constants } from 'node:os'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { asJson, errorFrom } from '../../lib/control/protocol.js'
import { adviseUsedUp, errorCodes, EtherloomError, fromNative, isErrorCode } from '../../lib/values/errors.js'

const { errno } = constants

describe('errors', () => {
  it('carry code, call, number, cause, and the hint at the end of the message', () => {
    const cause = new Error('below')
    const error = new EtherloomError('ERR_ETHERLOOM_DEVICE', 'cannot open tap0', {
      cause,
      syscall: 'ioctl TUNSETIFF',
      errno: errno.EBUSY,
      hint: 'choose another name',
    })
    expect(error).to.be.instanceOf(Error)
    expect(error.name).to.equal('EtherloomError')
    expect(error.message).to.equal('cannot open tap0; choose another name')
    expect(error).to.include({ code: 'ERR_ETHERLOOM_DEVICE', syscall: 'ioctl TUNSETIFF', errno: 16, cause })
  })

  it('show only what is known of them', () => {
    const shown = inspect(new EtherloomError('ERR_ETHERLOOM_NAME', 'no port'))
    expect(shown).to.contain("code: 'ERR_ETHERLOOM_NAME'")
    expect(shown).to.not.contain('undefined')
  })

  it('come over the control socket as they went, of several lines and of many characters', () => {
    const cases = [
      new EtherloomError('ERR_ETHERLOOM_OPTION', ['one mistake', 'and another'], { hint: 'mend both' }),
      new EtherloomError('ERR_ETHERLOOM_DEVICE', '\u0001'.repeat(3000), {
        syscall: 'open',
        errno: errno.EIO,
      }),
    ]
    for (const sent of cases) {
      const come = errorFrom(JSON.parse(asJson(sent)) as object)
      for (const key of ['code', 'message', 'hint', 'syscall', 'errno'] as const)
        expect(come[key]).to.equal(sent[key])
      expect(sent.message.length).to.be.below(2100)
    }
  })

  it('have one sentence per code', () => {
    for (const [code, meaning] of Object.entries(errorCodes)) {
      expect(code).to.match(/^ERR_ETHERLOOM_[A-Z_]+$/)
      expect(meaning).to.match(/^[A-Z].*\.$/)
      expect(isErrorCode(code)).to.equal(true)
    }
    expect(isErrorCode('toString')).to.equal(false)
  })

  const mapped: [number, string][] = [
    [errno.EPERM, 'ERR_ETHERLOOM_PRIVILEGE'],
    [errno.EACCES, 'ERR_ETHERLOOM_PRIVILEGE'],
    [errno.EBUSY, 'ERR_ETHERLOOM_DEVICE'],
    [errno.ENODEV, 'ERR_ETHERLOOM_DEVICE'],
    [errno.EINVAL, 'ERR_ETHERLOOM_DEVICE'],
    [errno.EMFILE, 'ERR_ETHERLOOM_RESOURCE'],
    [errno.ENOMEM, 'ERR_ETHERLOOM_RESOURCE'],
    [errno.EOPNOTSUPP, 'ERR_ETHERLOOM_UNSUPPORTED'],
    [0, 'ERR_ETHERLOOM_DEVICE'],
  ]
  for (const [number, code] of mapped)
    it(`native errno ${number} becomes ${code}`, () => {
      const error = fromNative({ errno: number, syscall: 'ioctl', message: 'cannot do it' })
      expect(error.code).to.equal(code)
      expect(error.message).to.match(/^cannot do it/)
    })

  it('of Node itself say what to do where something is used up', () => {
    const full = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
    expect(adviseUsedUp(full)).to.include({
      code: 'ERR_ETHERLOOM_RESOURCE',
      message: "EMFILE: too many open files; allow more open files with 'ulimit -n'",
      cause: full,
    })
    for (const other of [
      new TypeError('no'),
      Object.assign(new Error('ENOENT'), { code: 'ENOENT' }),
      new EtherloomError('ERR_ETHERLOOM_RESOURCE', 'ours'),
    ])
      expect(adviseUsedUp(other)).to.equal(other)
  })

  it('keep the code that the native half gave', () => {
    const given = { code: 'ERR_ETHERLOOM_FILTER', errno: errno.EINVAL, syscall: '', message: 'bad' }
    expect(fromNative(given)).to.include({
      code: 'ERR_ETHERLOOM_FILTER',
      syscall: undefined,
      errno: errno.EINVAL,
    })
  })

  it('name the errno, and what to do about it', () => {
    const error = fromNative({ errno: errno.ENODEV, syscall: 'rtnetlink', message: 'no interface x' })
    expect(error.message).to.equal(
      "no interface x: no such device (ENODEV); check the interface's name with 'ip link'",
    )
    expect(fromNative({ errno: 0, syscall: '', message: 'refused' })).to.include({
      message: 'refused',
      errno: undefined,
    })
  })
})
