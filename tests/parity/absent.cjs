// Stands for modules that the registry does not have, or that load native code: no check looks into them.
module.exports = { ConsoleLogger: class {}, LogService: {} };
